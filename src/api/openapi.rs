//! The API's description (OpenAPI 3.1), made from the table of routes: what is not served is not
//! described, and what is served is.

use serde_json::{Map, Value, json};

use super::Access;
use super::request::idempotency;
use super::request::router::{Method, Parameter, Route, routes};
use super::system::VERSION;

/// The document.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "XenBlocks Platform",
            "version": VERSION,
            "description": "A marketplace for hashpower. Money is in coins with at most six decimals, \
                times are Unix seconds. In open mode (all listeners on loopback) operations that allow \
                no credential need none; in closed mode they do.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "From POST /api/auth/verify",
                },
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": { "detail": { "type": "string" } },
                    "required": ["detail"],
                },
                "Problems": {
                    "type": "object",
                    "properties": { "detail": { "type": "array", "items": { "$ref": "#/components/schemas/Problem" } } },
                    "required": ["detail"],
                },
                "Problem": {
                    "type": "object",
                    "properties": {
                        "type": { "type": "string" },
                        "loc": { "type": "array" },
                        "msg": { "type": "string" },
                        "input": {},
                        "ctx": { "type": "object" },
                    },
                    "required": ["type", "loc", "msg", "input"],
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [tag(route.path)],
        "security": security(route),
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if !route.body.is_empty() {
        operation["requestBody"] = request_body(route.body);
    }
    operation
}

/// `get_api_leases_by_lease_id` for `GET /api/leases/{lease_id}`.
fn operation_id(route: &Route) -> String {
    let words = route.path.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => format!("by_{name}"),
            None => segment.replace(['-', '.'], "_"),
        }
    });
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in words {
        id.push('_');
        id.push_str(&word);
    }
    if route.path == "/" { id + "_root" } else { id }
}

fn tag(path: &str) -> &str {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next()) {
        (Some("api"), Some("rent" | "rental" | "stop")) => "rentals",
        (Some("api"), Some("status" | "openapi.json"))
        | (Some("health" | "ready" | "metrics" | "openapi.json") | None, _) => "system",
        (Some("api"), Some(resource)) => resource,
        (Some(_), _) => "chain",
    }
}

/// An empty requirement among others means that none is needed in open mode.
fn security(route: &Route) -> Value {
    // As OpenAPI 3.1 has it: what the credential must be good for.
    let scopes: Vec<&str> = route.scope.iter().map(|scope| scope.as_str()).collect();
    match route.access {
        Access::Public => json!([]),
        Access::Open => json!([{}, { "token": [] }, { "apiKey": scopes }]),
        Access::Credential | Access::Identity => json!([{ "token": [] }, { "apiKey": scopes }]),
        Access::Wallet => json!([{ "token": [] }]),
        Access::Administrator => json!([{}, { "apiKey": scopes }]),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    let path = names.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "maxLength": 128 } })
    });
    let query = route.query.iter().map(|Parameter { name, kind, required, about }| {
        json!({
            "name": name, "in": "query", "required": required, "description": about,
            "schema": { "type": kind },
        })
    });
    let key = idempotency::applies_to(route).then(|| {
        json!({
            "name": idempotency::HEADER, "in": "header", "required": false,
            "description": "The same key and request again within 24 hours get the first answer again",
            "schema": { "type": "string", "minLength": 1, "maxLength": idempotency::KEY_LENGTH_MAX },
        })
    });
    path.chain(query).chain(key).collect()
}

fn request_body(fields: &[Parameter]) -> Value {
    let property = |field: &Parameter| {
        (field.name.to_owned(), json!({ "type": field.kind, "description": field.about }))
    };
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({
        "required": true,
        "content": { "application/json": { "schema": {
            "type": "object",
            "properties": fields.iter().map(property).collect::<Map<_, _>>(),
            "required": required,
        } } },
    })
}

fn responses(route: &Route) -> Value {
    let media = if route.path == "/metrics" { "text/plain" } else { "application/json" };
    let mut responses =
        json!({ "200": { "description": route.answer, "content": { media: { "schema": {} } } } });
    let is_guarded = route.access != Access::Public;
    let changes = route.method != Method::Get;
    let errors = [
        (changes, "400", "It makes no sense", "Error"),
        (is_guarded, "401", "A credential is missing or wrong", "Error"),
        (
            route.path.contains("rent") || route.path.ends_with("/extend"),
            "402",
            "Not enough available",
            "Error",
        ),
        (is_guarded, "403", "Not for this caller", "Error"),
        (changes || route.path.contains('{'), "404", "It is not there", "Error"),
        (
            !route.query.is_empty() || !route.body.is_empty(),
            "422",
            "The query or the body does not validate",
            "Problems",
        ),
        (true, "429", "Too many requests; Retry-After says when", "Error"),
        (true, "503", "Not now; Retry-After says when", "Error"),
    ];
    for (_, status, description, schema) in errors.into_iter().filter(|(applies, ..)| *applies) {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        responses[status] =
            json!({ "description": description, "content": { "application/json": { "schema": schema } } });
    }
    responses
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_route_is_described_once_and_in_full() {
        let document = document();
        let mut ids = HashSet::new();
        for route in routes() {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][route.path][method.as_str()];
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{} is missing", route.path));
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            for name in route.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')) {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "path"), "{}", route.path);
            }
            for field in route.body {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                assert_eq!(schema["properties"][field.name]["type"], field.kind, "{}", route.path);
            }
            let kinds = ["string", "number", "integer", "boolean", "object", "array"];
            assert!(route.body.iter().chain(route.query).all(|field| kinds.contains(&field.kind)));
        }
        let described: usize =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, routes().count());
    }

    #[test]
    fn references_lead_somewhere() {
        let document = document();
        let text = document.to_string();
        let references: HashSet<&str> =
            text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(!references.is_empty());
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_movement_of_money_takes_an_idempotency_key() {
        let with_key = routes().filter(|route| idempotency::applies_to(route)).count();
        assert_eq!(with_key, idempotency::PATHS.len());
    }
}
