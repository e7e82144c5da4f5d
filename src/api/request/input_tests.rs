use super::*;

fn problems(error: ApiError) -> Vec<(String, String)> {
    let response = error.into_response();
    let (mut reader, _) = response.data.into_reader_and_size();
    let value: Value = serde_json::from_reader(&mut reader).unwrap();
    let list = value["detail"].as_array().unwrap().clone();
    list.iter().map(|p| (p["type"].as_str().unwrap().into(), p["loc"].to_string())).collect()
}

fn body(text: &str) -> Body {
    Body::parse(text.as_bytes(), Some("application/json")).unwrap()
}

#[test]
fn all_that_is_wrong_is_listed_in_order() {
    let mut body = body(r#"{"b": "x", "c": 1.5, "d": [], "e": "7", "f": true}"#);
    body.text("a");
    body.number("b");
    body.integer("c");
    body.object_or_empty("d");
    assert_eq!((body.integer("e"), body.integer("f")), (7, 1));
    let found = problems(body.finish().unwrap_err());
    let kinds: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["missing", "float_parsing", "int_from_float", "dict_type"]);
    assert_eq!(found[0].1, r#"["body","a"]"#);
}

#[test]
fn what_is_no_json_object_is_refused() {
    // The object itself is a level.
    let nested = |levels: usize| format!(r#"{{"a": {}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let (most, more) = (nested(JSON_DEPTH_MAX - 1), nested(JSON_DEPTH_MAX));
    assert!(Body::parse(most.as_bytes(), Some("application/json")).is_ok());
    for (text, content_type, kind) in [
        ("", Some("application/json"), "missing"),
        ("{", Some("application/json"), "json_invalid"),
        (more.as_str(), Some("application/json"), "json_invalid"),
        (r#"{"a": 1e999}"#, Some("application/json"), "json_invalid"),
        (r#"{"a": NaN}"#, Some("application/json"), "json_invalid"),
        ("[1]", Some("application/json; charset=utf-8"), "model_attributes_type"),
        ("{}", Some("text/plain"), "model_attributes_type"),
        ("{}", None, "model_attributes_type"),
    ] {
        let error = Body::parse(text.as_bytes(), content_type).err().unwrap();
        assert_eq!(problems(error)[0].0, kind, "{text}");
    }
}

#[test]
fn queries_are_ranges_words_and_numbers() {
    let get = |query: &str| Request::fake_http("GET", format!("/x?{query}"), vec![], vec![]);
    let request = get("page=0&limit=2.0&sort=up&hours=9e9&yes=on");
    let mut query = Query::new(&request);
    assert_eq!(query.integer("limit", 20, 1..=100), 2);
    assert!(query.boolean("yes", false));
    query.integer("page", 1, 1..=i64::MAX);
    query.word("sort", "desc", &["asc", "desc"]);
    query.number("hours", 1.0, 0.0167, 24.0);
    let kinds: Vec<String> = problems(query.finish().unwrap_err()).into_iter().map(|p| p.0).collect();
    assert_eq!(kinds, ["greater_than_equal", "string_pattern_mismatch", "less_than_equal"]);
}

#[test]
fn segments_are_decoded_and_broken_escapes_kept() {
    assert_eq!(decode("a%20b%2"), "a b%2");
    assert_eq!(decode("%ff"), "\u{fffd}");
}
