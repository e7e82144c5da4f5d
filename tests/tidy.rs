//! The house keeps its own rules: arrows between rooms, sizes, and pages that tell the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 90;
/// Characters of a line of the app's pages, scripts and styles; rustfmt minds those of the sources.
const LINE_MAX: usize = 140;

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = house().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below `folder` with one of these endings, by their path from the root.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![house().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| endings.iter().any(|e| ending == *e)) {
                found.push(path.strip_prefix(house()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files("docs", &["md"]);
    pages.extend(["README.md".into(), "CHANGELOG.md".into()]);
    pages
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

/// Floor and permitted rooms of each room, from the table of docs/architecture.md.
fn plan() -> BTreeMap<String, (u32, BTreeSet<String>)> {
    let page = read("docs/architecture.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let floor = cells[0].parse().ok()?;
        let uses = quoted(cells[3]).map(str::to_owned).chain(["base".to_owned()]).collect();
        Some((cells[1].trim_matches('`').to_owned(), (floor, uses)))
    });
    rows.collect()
}

#[test]
fn rooms_use_only_what_the_architecture_lists() {
    let plan = plan();
    let mut problems = Vec::new();
    for (room, (floor, uses)) in &plan {
        for used in uses {
            if plan
                .get(used)
                .is_none_or(|(below, others)| below > floor || (others.contains(room) && used != room))
            {
                problems.push(format!(
                    "docs/architecture.md: {room} may not use {used}: it is above, absent, or uses {room}"
                ));
            }
        }
    }
    for path in files("src", &["rs"]) {
        let Some(room) = path.iter().nth(2).and(path.iter().nth(1)).and_then(|room| room.to_str()) else {
            continue;
        };
        let Some((_, uses)) = plan.get(room) else {
            problems.push(format!("{}: the room {room} is not in docs/architecture.md", path.display()));
            continue;
        };
        let text = read(&path);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for place in code.flat_map(|line| line.split("crate::").skip(1)) {
            let named = &place[..place.find(|c| !is_name(c)).unwrap_or(place.len())];
            if named != room && !uses.contains(named) {
                problems.push(format!("{}: {room} may not use {named:?}", path.display()));
            }
        }
    }
    none(problems);
}

#[test]
fn files_and_functions_stay_small() {
    let mut problems = Vec::new();
    for path in ["src", "tests", "benches"].iter().flat_map(|folder| files(folder, &["rs"])) {
        let text = read(&path);
        let lines: Vec<_> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            problems.push(format!("{}: {} lines; is it one thing?", path.display(), lines.len()));
        }
        for (start, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            if !(code.starts_with("fn ") || (code.starts_with("pub") && code.contains("fn ")))
                || code.ends_with('}')
            {
                continue;
            }
            // rustfmt puts a function's last brace below its first letter.
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let length = lines[start..].iter().position(|line| *line == end).unwrap_or(0);
            if length > FUNCTION_LINES_MAX {
                problems.push(format!("{}:{}: {length} lines: {code}", path.display(), start + 1));
            }
        }
    }
    none(problems);
}

#[test]
fn lines_of_the_app_are_short_enough_to_read() {
    let mut problems = Vec::new();
    let own = files("static", &["js", "css", "html"]);
    for path in own.iter().filter(|path| !path.starts_with("static/vendor")) {
        for (number, line) in read(path).lines().enumerate() {
            let length = line.chars().count();
            if length > LINE_MAX {
                problems.push(format!("{}:{}: {length} characters", path.display(), number + 1));
            }
        }
    }
    none(problems);
}

#[test]
fn nothing_is_left_unfinished_or_printed() {
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let printed = ["println!", "eprintln!", "dbg!", "todo!", "unimplemented!"];
    let mut problems = Vec::new();
    let sources = ["src", "tests", "benches", "static", "sql", "scripts"];
    let mut all: Vec<_> =
        sources.iter().flat_map(|folder| files(folder, &["rs", "html", "js", "css", "sql", "sh"])).collect();
    all.extend(pages());
    all.extend(["Makefile".into(), "Cargo.toml".into(), ".ci/run".into()]);
    for path in all {
        for (number, line) in read(&path).lines().enumerate() {
            let words = unfinished.into_iter().filter(|word| line.contains(word));
            let calls = printed.into_iter().filter(|call| path.starts_with("src") && line.contains(call));
            problems
                .extend(words.chain(calls).map(|what| format!("{}:{}: {what}", path.display(), number + 1)));
        }
    }
    none(problems);
}

#[test]
fn links_lead_somewhere() {
    let mut problems = Vec::new();
    for page in pages() {
        for link in read(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !house().join(&target).exists() {
                problems.push(format!("{}: nothing at {link}", page.display()));
            } else if !heading.is_empty() && !headings(&read(target)).contains(heading) {
                problems.push(format!("{}: no such heading: {link}", page.display()));
            }
        }
    }
    none(problems);
}

fn headings(page: &str) -> BTreeSet<String> {
    let titles =
        page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
    let kept = |c: &char| c.is_alphanumeric() || "- _".contains(*c);
    titles
        .map(|title| title.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn pages_name_only_files_and_tests_that_exist() {
    let mut problems = Vec::new();
    for page in pages() {
        for name in quoted(&read(&page)).filter(|name| !name.contains([' ', '*', '<', '\n'])) {
            let (path, test) = name.split_once("::").unwrap_or((name, ""));
            let top = path.split('/').next().unwrap_or_default();
            let is_file = path.contains('/')
                && ["src", "tests", "docs", "static", "sql", "benches", "scripts", ".ci"].contains(&top);
            if is_file && !house().join(path).exists() {
                problems.push(format!("{}: there is no {path}", page.display()));
            } else if is_file && !test.is_empty() && !read(path).contains(&format!("fn {test}(")) {
                problems.push(format!("{}: there is no {name}", page.display()));
            }
        }
    }
    none(problems);
}

/// Each command's help, and under "" all of them.
fn helps() -> BTreeMap<String, String> {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_xenblocks")).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let main = help(&["--help"]);
    let commands = main.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    let mut helps: BTreeMap<_, _> = names.map(|name| (name.to_owned(), help(&[name, "--help"]))).collect();
    helps.insert(String::new(), helps.values().cloned().chain([main]).collect());
    helps
}

/// The words of a help or a command line: flags without their values, names of variables.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).filter(|word| !word.is_empty())
}

#[test]
fn pages_name_only_commands_flags_and_variables_that_exist() {
    let helps = helps();
    let makefile = read("Makefile");
    let mut problems = Vec::new();
    for page in pages() {
        let text = read(&page).replace("\\\n", " ");
        // Code: quoted within a line, or a line of a block.
        let fenced = text.split("```").skip(1).step_by(2).flat_map(str::lines);
        let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
        let prose = text.split("```").step_by(2).collect::<String>();
        for code in fenced.chain(indented).chain(quoted(&prose)) {
            let complain = |what: &str| format!("{}: {what}, in: {code}", page.display());
            let program = code.split("xenblocks ").nth(1).filter(|_| !code.contains("://"));
            let command = program.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
            let named = command.chars().all(is_name);
            if named && !helps.contains_key(command) {
                problems.push(complain("no such command"));
            }
            let help = helps.get(command).filter(|_| named).unwrap_or(&helps[""]);
            if program.is_some() || code.starts_with("--") {
                let flags = words(code).filter(|word| word.starts_with("--"));
                let unknown = flags.filter(|flag| *flag != "--" && !words(help).any(|word| word == *flag));
                problems.extend(unknown.map(|flag| complain(&format!("no flag {flag}"))));
            }
            let variables =
                words(code).filter(|word| word.starts_with("XENBLOCKS_") && *word != "XENBLOCKS_");
            let unknown = variables.filter(|name| !words(&helps[""]).any(|word| word == *name));
            problems.extend(unknown.map(|name| complain(&format!("no variable {name}"))));
            let target = code.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next());
            if target.is_some_and(|target| !makefile.contains(&format!("\n{target}:"))) {
                problems.push(complain("no such target"));
            }
        }
    }
    none(problems);
}

/// What the prototype got wrong is numbered; each number is in the name of a test of ours.
#[test]
fn every_fault_of_the_prototype_has_its_test() {
    const FAULTS: u32 = 57;
    let sources = ["src", "tests"].iter().flat_map(|folder| files(folder, &["rs"]));
    let names: BTreeSet<u32> = sources
        .flat_map(|path| {
            let text = read(&path);
            let names = text.lines().filter(|line| line.trim_start().starts_with("fn fault_"));
            let numbers = names.flat_map(|name| name.split("fault_").skip(1));
            let numbers = numbers.filter_map(|rest| rest.split('_').next()?.parse().ok());
            numbers.collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<u32> = (1..=FAULTS).filter(|number| !names.contains(number)).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}

/// What can be full says what happens then, and which test fills it.
#[test]
fn every_limit_has_its_row_and_every_row_its_test() {
    let limits = read("src/base/limits.rs");
    let limits = limits.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let limits: BTreeSet<&str> = limits.collect();
    let page = read("docs/specification.md");
    let table = page.split("\n## ").find(|part| part.starts_with("Limits\n")).expect("the table of limits");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let (mut told, mut problems) = (BTreeSet::new(), Vec::new());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        told.extend(quoted(cells[1]));
        let names_test = cells[3].contains("::") || cells[3].trim().starts_with("the same");
        if cells[2].trim().is_empty() || !names_test {
            problems.push(format!("docs/specification.md: what then, and which test? {row}"));
        }
    }
    let missing = limits.iter().filter(|name| name.ends_with("_MAX") && !told.contains(**name));
    problems.extend(missing.map(|name| format!("docs/specification.md: no row for {name}")));
    problems.extend(told.difference(&limits).map(|name| format!("src/base/limits.rs: there is no {name}")));
    none(problems);
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("Cargo.toml");
    let sections = manifest.split("\n[").filter(|section| section.contains("dependencies]"));
    let lines = sections.flat_map(str::lines).filter_map(|line| line.split_once(" = "));
    let used: BTreeSet<_> = lines.map(|(name, _)| name.to_owned()).collect();
    let page = read("docs/dependencies.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let explained: BTreeSet<_> = rows.map(str::to_owned).collect();
    assert_eq!(used, explained);
}
