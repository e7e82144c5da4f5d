//! Files for spreadsheets (RFC 4180), whose cells no spreadsheet takes for formulas.

use rouille::Response;

use crate::api::leases::LIMIT_DEFAULT;
use crate::api::request::input::Query;
use crate::api::request::router::Parameter;
use crate::base::limits::{EXPORT_ROWS_MAX, LIST_ROWS_MAX};

/// The parameter `format`.
pub const FORMAT: Parameter = Parameter {
    name: "format",
    kind: "string",
    required: false,
    about: "json (the default) or csv: a file of up to 10000 rows, which is then the default limit",
};

/// Whether a file is wanted, and how many rows.
pub fn format_and_limit(query: &mut Query<'_>) -> (bool, i64) {
    let is_csv = query.word("format", "json", &["json", "csv"]) == "csv";
    let (default, max) =
        if is_csv { (EXPORT_ROWS_MAX, EXPORT_ROWS_MAX) } else { (LIMIT_DEFAULT, LIST_ROWS_MAX) };
    (is_csv, query.integer("limit", default, 1..=max))
}

/// A table being written.
pub struct Table(String);

impl Table {
    /// With its first line.
    pub fn new(columns: &[&str]) -> Self {
        Table(columns.join(",") + "\r\n")
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        for (nth, Cell(text)) in cells.into_iter().enumerate() {
            if nth > 0 {
                self.0.push(',');
            }
            self.0.push_str(&text);
        }
        self.0.push_str("\r\n");
    }

    /// As a file to be saved under this name, to which `.csv` is added.
    pub fn into_response(self, name: &str) -> Response {
        // An id's alphabet holds nothing that ends a quoted string or a path; a colon is not for files.
        let file = name.replace(':', "_");
        Response::from_data("text/csv; charset=utf-8", self.0)
            .with_additional_header("Content-Disposition", format!("attachment; filename=\"{file}.csv\""))
    }
}

/// A cell as it is written.
pub struct Cell(String);

impl Cell {
    /// A number, a time, a word of ours: what cannot be taken for anything else.
    pub fn plain(value: impl ToString) -> Self {
        Cell(value.to_string())
    }

    /// A text from outside.
    pub fn text(text: &str) -> Self {
        let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
        let guard = if is_formula { "'" } else { "" };
        if is_formula || text.contains(['"', ',', '\n', '\r']) {
            return Cell(format!("\"{guard}{}\"", text.replace('"', "\"\"")));
        }
        Cell(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_before_its_end() {
        for (text, cell) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("two\r\nlines", "\"two\r\nlines\""),
        ] {
            assert_eq!(Cell::text(text).0, cell);
        }
        let mut table = Table::new(&["a", "b"]);
        table.row([Cell::plain(-1.5), Cell::text("=x")]);
        assert_eq!(table.0, "a,b\r\n-1.5,\"'=x\"\r\n");
    }
}
