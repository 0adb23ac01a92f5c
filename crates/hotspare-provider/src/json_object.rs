//! JSON bodies that embed JSON verbatim.
//!
//! Not a schema: the codec chooses the names. Invariant: schemas and extra fields keep their original text, because a
//! `Value` would sort their keys; each name appears in a body once.

use hotspare_core::{ChatRequest, Json};
use serde_json::{Map, Value};

/// An object under construction.
#[derive(Clone, Debug, Default)]
pub struct JsonObject {
    fields: Map<String, Value>,
    raw: Vec<(String, String)>,
}

impl JsonObject {
    /// Sets a field if it has a value.
    pub fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.fields.insert(name.to_owned(), value.into());
        }
    }

    /// Sets a field to JSON text, replacing any field of that name.
    pub fn put_raw(&mut self, name: &str, json: impl Into<String>) {
        self.fields.remove(name);
        self.raw.retain(|(written, _)| written != name);
        self.raw.push((name.to_owned(), json.into()));
    }

    /// Sets the caller's extra fields, replacing any fields of the same names.
    pub fn overlay<'a>(&mut self, extras: impl IntoIterator<Item = (&'a String, &'a Json)>) {
        extras.into_iter().for_each(|(name, value)| self.put_raw(name, value.as_str()));
    }

    /// A field that was set as a value.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.fields.get_mut(name)
    }

    /// Serializes the object.
    #[must_use]
    pub fn finish(self) -> String {
        let mut text = Value::Object(self.fields).to_string();
        for (name, value) in self.raw {
            text.pop();
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&Value::from(name).to_string());
            text.push(':');
            text.push_str(&value);
            text.push('}');
        }
        text
    }
}

/// Tools in the format that most wires use: `{"type":"function","function":{"name", "description", "parameters"}}`, each
/// function with its own fields of `wire`, and that wire's own tools after them. `None` if there are none.
#[must_use]
pub fn function_tools(request: &ChatRequest, wire: &str) -> Option<String> {
    let functions = request.tools.iter().map(|tool| {
        let mut function = JsonObject::default();
        function.put("name", Some(tool.name.as_str()));
        function.put("description", tool.description.as_deref());
        function.put_raw("parameters", tool.parameters.as_str());
        function.overlay(tool.extras.get(wire).into_iter().flatten());
        format!(r#"{{"type":"function","function":{}}}"#, function.finish())
    });
    let native = request.native_tools.iter().filter(|tool| tool.wire == wire);
    let list: Vec<String> = functions.chain(native.map(|tool| tool.raw.as_str().to_owned())).collect();
    (!list.is_empty()).then(|| format!("[{}]", list.join(",")))
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Native, Tool};

    use super::*;

    #[test]
    fn keys_keep_their_order_and_are_unique() {
        let mut object = JsonObject::default();
        object.put_raw("s", r#"{"z":1,"a":2}"#);
        assert_eq!(object.clone().finish(), r#"{"s":{"z":1,"a":2}}"#);
        object.put("m", Some(1));
        object.put("none", None::<u64>);
        object.put("b", Some("x"));
        let extras =
            [("b".to_owned(), Json::parse("2").unwrap()), ("a\"".to_owned(), Json::parse("[]").unwrap())];
        object.overlay(extras.iter().map(|(name, value)| (name, value)));
        assert_eq!(object.finish(), r#"{"m":1,"s":{"z":1,"a":2},"b":2,"a\"":[]}"#);
    }

    #[test]
    fn encodes_function_tools_with_their_own_fields_and_the_wires_own_tools() {
        let json = |text: &str| Json::parse(text).unwrap();
        let mut tool = Tool::new("f", json(r#"{"type":"object","properties":{"z":{},"a":{}}}"#));
        tool.extras.entry("w".into()).or_default().insert("own".into(), json("1"));
        tool.extras.entry("x".into()).or_default().insert("foreign".into(), json("1"));
        let mut request = ChatRequest::to("r");
        assert_eq!(function_tools(&request, "w"), None);
        request = request.tool(tool);
        request.native_tools = ["w", "x"].map(|wire| Native::new(wire, json(r#"{"type":"search"}"#))).into();
        let function = r#"{"name":"f","parameters":{"type":"object","properties":{"z":{},"a":{}}},"own":1}"#;
        assert_eq!(
            function_tools(&request, "w").unwrap(),
            format!(r#"[{{"type":"function","function":{function}}},{{"type":"search"}}]"#)
        );
    }
}
