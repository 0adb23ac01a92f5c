//! Counts the work of validating one answer against one schema.
//!
//! Not a validator: where the validator stops early because a branch fits or does not, the meter goes on, so it counts at
//! least as much. Invariant: counting takes no more steps than its limit, and no stack however deep both nest.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::{Cost, IN_PLACE_APPLICATORS, UNEVALUATED, VISIT, Work, count, nodes, pointer, repeats};
use crate::schema::patterns::Patterns;

/// Why an answer is not validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum Excess {
    /// There is too much of it for what the schema asks of it.
    Size,
    /// A regular expression does not come to an end on one of its texts.
    Pattern,
}

/// A count of steps with a limit.
pub(super) struct Meter<'a> {
    work: &'a Work,
    patterns: &'a Patterns,
    root: &'a Value,
    left: u64,
    /// Whether to count the work of a verdict, for which the validator remembers what it knows; not of reasons.
    verdict_only: bool,
    open: Vec<Visit<'a>>,
    /// The costs of schemas, and what references point to and whether they recur.
    costs: BTreeMap<*const Value, Cost>,
    targets: BTreeMap<&'a str, Option<(&'a Value, bool)>>,
    /// Recurring schemas at places where they have been.
    seen: BTreeSet<(*const Value, *const Value)>,
}

struct Visit<'a> {
    schema: &'a Value,
    instance: Instance<'a>,
    /// The recurring references that led here without leaving the place.
    path: Option<Rc<PathLink>>,
}

#[derive(Clone, Copy)]
enum Instance<'a> {
    Value(&'a Value),
    Name(&'a str),
}

struct PathLink {
    target: *const Value,
    parent: Option<Rc<PathLink>>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(
        work: &'a Work,
        patterns: &'a Patterns,
        root: &'a Value,
        limit: u64,
        verdict_only: bool,
    ) -> Self {
        Self {
            work,
            patterns,
            root,
            left: limit,
            verdict_only,
            open: Vec::new(),
            costs: BTreeMap::new(),
            targets: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Counts the work for a whole answer; returns the steps that are left.
    pub(super) fn answer(mut self, answer: &'a Value) -> Result<u64, Excess> {
        self.open(self.root, Instance::Value(answer), None)?;
        while let Some(visit) = self.open.pop() {
            self.visit(&visit)?;
        }
        Ok(self.left)
    }

    /// Takes this many steps, if there are as many left.
    fn spend(&mut self, steps: u64) -> Result<(), Excess> {
        self.left = self.left.checked_sub(steps).ok_or(Excess::Size)?;
        Ok(())
    }

    fn open(
        &mut self,
        schema: &'a Value,
        instance: Instance<'a>,
        path: Option<&Rc<PathLink>>,
    ) -> Result<(), Excess> {
        // Charged before it takes memory.
        self.spend(VISIT)?;
        self.open.push(Visit { schema, instance, path: path.cloned() });
        Ok(())
    }

    fn visit(&mut self, visit: &Visit<'a>) -> Result<(), Excess> {
        let Some(keywords) = visit.schema.as_object() else { return Ok(()) };
        let (patterns, key) = (self.patterns, std::ptr::from_ref(visit.schema));
        let cost = *self.costs.entry(key).or_insert_with(|| Cost::of(keywords, patterns));
        let text = match visit.instance {
            Instance::Value(Value::String(text)) => Some(text.as_str()),
            Instance::Name(name) => Some(name),
            Instance::Value(_) => None,
        };
        self.spend(cost.times(1, text.map_or(0, |text| count(text.len()))))?;
        if let (Some(text), Some(Value::String(pattern))) = (text, keywords.get("pattern")) {
            self.expression(pattern, text)?;
        }
        self.in_place(keywords, visit)?;
        match visit.instance {
            Instance::Value(Value::Object(object)) => self.object(keywords, cost, object),
            Instance::Value(array @ Value::Array(items)) => self.array(keywords, array, items),
            _ => Ok(()),
        }
    }

    fn in_place(&mut self, keywords: &'a Map<String, Value>, visit: &Visit<'a>) -> Result<(), Excess> {
        for _ in 0..repeats(keywords) {
            for value in IN_PLACE_APPLICATORS
                .iter()
                .filter_map(|keyword| keywords.get(*keyword).map(|value| (*keyword, value)))
            {
                match value {
                    ("dependentSchemas" | "dependencies", Value::Object(named)) => {
                        for schema in named.values() {
                            self.open(schema, visit.instance, visit.path.as_ref())?;
                        }
                    }
                    (_, Value::Array(schemas)) => {
                        for schema in schemas {
                            self.open(schema, visit.instance, visit.path.as_ref())?;
                        }
                    }
                    (_, schema) => self.open(schema, visit.instance, visit.path.as_ref())?,
                }
            }
            if let Some(Value::String(reference)) = keywords.get("$ref") {
                self.reference(reference, visit)?;
            }
        }
        Ok(())
    }

    fn reference(&mut self, reference: &'a str, visit: &Visit<'a>) -> Result<(), Excess> {
        let (root, work) = (self.root, self.work);
        let target = *self.targets.entry(reference).or_insert_with(|| {
            let pointer = pointer(reference)?;
            Some((root.pointer(&pointer)?, work.recurring.contains(&pointer)))
        });
        let Some((schema, recurs)) = target else { return Ok(()) };
        if !recurs {
            return self.open(schema, visit.instance, visit.path.as_ref());
        }
        let target = std::ptr::from_ref(schema);
        let mut parent = visit.path.as_ref();
        while let Some(link) = parent {
            if link.target == target {
                return Ok(());
            }
            parent = link.parent.as_ref();
        }
        if self.verdict_only
            && let Instance::Value(value @ (Value::Array(_) | Value::Object(_))) = visit.instance
            && !self.seen.insert((target, std::ptr::from_ref(value)))
        {
            return Ok(());
        }
        let path = Rc::new(PathLink { target, parent: visit.path.clone() });
        self.open(schema, visit.instance, Some(&path))
    }

    fn object(
        &mut self,
        keywords: &'a Map<String, Value>,
        cost: Cost,
        object: &'a Map<String, Value>,
    ) -> Result<(), Excess> {
        let part = |keyword: &str| keywords.get(keyword).and_then(Value::as_object);
        let (properties, patterns) = (part("properties"), part("patternProperties"));
        let (additional, names) = (keywords.get("additionalProperties"), keywords.get("propertyNames"));
        let unevaluated = keywords.get(UNEVALUATED);
        if patterns.is_some() {
            let bytes = object.keys().map(|name| count(name.len())).sum();
            self.spend(cost.times(0, bytes))?;
        }
        self.spend(count(object.len()))?;
        for (name, value) in object {
            let instance = Instance::Value(value);
            let known = properties.and_then(|properties| properties.get(name));
            let additional = additional.filter(|_| known.is_none());
            for schema in known.into_iter().chain(additional).chain(unevaluated) {
                self.open(schema, instance, None)?;
            }
            for (pattern, schema) in patterns.into_iter().flatten() {
                self.expression(pattern, name)?;
                self.open(schema, instance, None)?;
            }
            if let Some(names) = names {
                self.open(names, Instance::Name(name), None)?;
            }
        }
        Ok(())
    }

    fn array(
        &mut self,
        keywords: &'a Map<String, Value>,
        array: &Value,
        items: &'a [Value],
    ) -> Result<(), Excess> {
        if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
            self.spend(nodes(array))?;
            // Different arrays may share a hash.
            if items.iter().any(nested) {
                self.spend(count(items.len()).saturating_mul(count(items.len())))?;
            }
        }
        self.spend(count(items.len()))?;
        for keyword in ["prefixItems", "items"] {
            let Some(Value::Array(schemas)) = keywords.get(keyword) else { continue };
            for (schema, item) in schemas.iter().zip(items) {
                self.open(schema, Instance::Value(item), None)?;
            }
        }
        for keyword in ["items", "additionalItems", "contains", "unevaluatedItems"] {
            let Some(schema) = keywords.get(keyword).filter(|schema| !schema.is_array()) else { continue };
            for item in items {
                self.open(schema, Instance::Value(item), None)?;
            }
        }
        Ok(())
    }

    /// Charges for matching an expression with the backtracking engine, which is run to see how long that takes.
    fn expression(&mut self, pattern: &str, text: &str) -> Result<(), Excess> {
        let patterns = self.patterns;
        let Some(probes) = patterns.probes(pattern) else { return Ok(()) };
        let bytes = count(text.len()).saturating_add(1);
        let finished = probes.finish(text, |steps| self.spend(bytes.saturating_mul(steps)))?;
        if finished { Ok(()) } else { Err(Excess::Pattern) }
    }
}

/// Whether a value is or has an array.
fn nested(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(fields) => fields.values().any(nested),
        _ => false,
    }
}
