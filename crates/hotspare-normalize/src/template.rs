//! Prompt templates: instructions in the form that one model works best with, and settings for it.
//!
//! Not a program: no files, no includes, no clock, and a limit on steps. Invariant: every error that can be detected in
//! advance is reported when a template is loaded, with its name and line, not when a request waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hotspare_core::{ChatRequest, Error, Kind, Message, Part, PromptPart, PromptSize, Role, Sampling};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use crate::prompt::PromptTemplate;
use crate::tokens::{estimate_text, message_size};

/// The most steps that one rendering may take; a long prompt template takes a few hundred.
const FUEL: u64 = 50_000;
/// Names defined in every template.
const BUILTIN_VARIABLES: [&str; 2] = ["model", "system"];

/// A prompt template in Jinja syntax, with the settings that go with it.
///
/// The text becomes the instructions at the head of the conversation. It may use `{{ system }}` (the request's own
/// instructions, empty if it has none), `{{ model }}` and the variables supplied with it; anything undefined is an
/// error. Instructions that render to white space only are omitted.
#[derive(Clone)]
pub struct Template {
    name: String,
    environment: Environment<'static>,
    variables: BTreeMap<String, String>,
    role: InstructionRole,
    examples: Vec<(String, String)>,
    prefix: String,
    suffix: String,
    stop: Vec<String>,
    sampling: Sampling,
    /// The size of everything that is the same for all requests.
    fixed: PromptSize,
}

/// How a model receives instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionRole {
    /// As developer messages.
    Developer,
    /// As system messages.
    #[default]
    System,
    /// In the user's first turn, at its beginning.
    User,
}

impl Template {
    /// Parses a template without variables of its own. `name` appears in messages.
    ///
    /// # Errors
    /// See [`Template::parse_with`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        Self::parse_with(name, text, BTreeMap::new())
    }

    /// Parses a template and tries it, with instructions and without.
    ///
    /// # Errors
    /// [`Kind::Config`] with name and line if the text is not a template, uses an unknown variable, filter or function,
    /// or fails with sample data; if `variables` redefines `system` or `model`.
    pub fn parse_with(name: &str, text: &str, variables: BTreeMap<String, String>) -> Result<Self, Error> {
        let invalid = |line: Option<usize>, why: &str| {
            let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
            Error::new(Kind::Config, format!("template {name}{line}: {why}"))
        };
        if let Some(builtin) = BUILTIN_VARIABLES.iter().find(|&&builtin| variables.contains_key(builtin)) {
            return Err(invalid(None, &format!("`{builtin}` is always defined and cannot be a variable")));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // A prompt is not HTML, whatever the template's name.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        let explain = |error: &minijinja::Error| {
            let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            invalid(error.line(), &format!("{}{detail}", error.kind()))
        };
        environment.add_template_owned(name.to_owned(), text.to_owned()).map_err(|error| explain(&error))?;

        let template = environment.get_template(name).map_err(|error| explain(&error))?;
        let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
        let known = |used: &String| {
            BUILTIN_VARIABLES.contains(&used.as_str())
                || variables.contains_key(used)
                || globals.contains(used.as_str())
        };
        let used: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        let unknown: Vec<String> = used.into_iter().filter(|used| !known(used)).collect();
        if let Some(first) = unknown.first() {
            let names: Vec<&str> =
                BUILTIN_VARIABLES.into_iter().chain(variables.keys().map(String::as_str)).collect();
            let why = format!("unknown {}; valid values are {}", unknown.join(", "), names.join(", "));
            return Err(invalid(line_of(text, first), &why));
        }
        let template = Self {
            name: name.to_owned(),
            environment,
            variables,
            role: InstructionRole::default(),
            examples: Vec::new(),
            prefix: String::new(),
            suffix: String::new(),
            stop: Vec::new(),
            sampling: Sampling::default(),
            fixed: PromptSize::default(),
        };
        for system in ["", "Be brief."] {
            template.render(system, "model").map_err(|error| explain(&error))?;
        }
        Ok(template)
    }

    /// Sets how the model receives instructions; the default is system messages.
    #[must_use]
    pub fn with_instruction_role(mut self, role: InstructionRole) -> Self {
        self.role = role;
        self
    }

    /// Adds an example exchange; it is placed between instructions and conversation.
    #[must_use]
    pub fn with_example(mut self, user: impl Into<String>, assistant: impl Into<String>) -> Self {
        let (user, assistant) = (user.into(), assistant.into());
        for message in [Message::user(user.as_str()), Message::assistant(assistant.as_str())] {
            self.fixed = self.fixed.with(&message_size(&message));
        }
        self.examples.push((user, assistant));
        self
    }

    /// Inserts text directly before the user's last turn.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self.fixed.add(PromptPart::Text, estimate_text(&self.prefix));
        self
    }

    /// Appends text directly after the user's last turn.
    #[must_use]
    pub fn with_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self.fixed.add(PromptPart::Text, estimate_text(&self.suffix));
        self
    }

    /// Adds stop sequences to those of the request.
    #[must_use]
    pub fn with_stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stop.extend(stop.into_iter().map(Into::into));
        self
    }

    /// Overrides the request's sampling settings with those that are set here.
    #[must_use]
    pub fn with_sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// The template's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name with a fingerprint of all that the template does, for trails: equal fingerprints mean equal prompts.
    #[must_use]
    pub fn version_name(&self) -> String {
        let source = self.environment.get_template(&self.name).map(|template| template.source().to_owned());
        let words = format!(
            "{source:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            self.variables, self.role, self.examples, self.prefix, self.suffix, self.stop, self.sampling
        );
        // FNV-1a, which is the same on every platform and in every release.
        let hash = words
            .bytes()
            .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        format!("{} ({hash:08x})", self.name)
    }

    fn render(&self, system: &str, model: &str) -> Result<String, minijinja::Error> {
        let builtin = [("system", system), ("model", model)];
        let own = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.environment.get_template(&self.name)?.render(Value::from_pairs(own.chain(builtin)))
    }

    /// Removes the leading instructions and returns them rewritten.
    fn instructions(&self, request: &mut ChatRequest, model: &str) -> Result<Vec<Part>, Error> {
        let text = self.render(&request.instructions().unwrap_or_default(), model).map_err(|error| {
            // The error's detail may quote the request.
            let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
            Error::new(Kind::Config, format!("template {}{line}: {}", self.name, error.kind()))
        })?;
        let head = request.messages.iter().take_while(|message| is_instruction(message)).count();
        let others = request
            .messages
            .drain(..head)
            .flat_map(|message| message.parts)
            .filter(|part| part.as_text().is_none());
        let text =
            Some(Part::Text(text)).filter(|part| part.as_text().is_some_and(|text| !text.trim().is_empty()));
        Ok(text.into_iter().chain(others).collect())
    }
}

impl PromptTemplate for Template {
    fn apply(&self, request: &ChatRequest, model: &str) -> Result<ChatRequest, Error> {
        let mut request = request.clone();
        let instructions = self.instructions(&mut request, model)?;
        let role = match self.role {
            InstructionRole::Developer => Role::Developer,
            InstructionRole::System => Role::System,
            InstructionRole::User => Role::User,
        };
        for message in request.messages.iter_mut().filter(|message| is_instruction(message)) {
            message.role = role;
        }
        if let Some(last) = request.messages.iter_mut().rev().find(|message| is_turn(message)) {
            add_affixes(&mut last.parts, &self.prefix, &self.suffix);
        }
        let examples = self.examples.iter().flat_map(|(user, assistant)| {
            [Message::user(user.as_str()), Message::assistant(assistant.as_str())]
        });
        request.messages.splice(0..0, examples);
        if !instructions.is_empty() {
            insert_instructions(&mut request.messages, role, instructions);
        }
        for stop in &self.stop {
            if !request.stop.contains(stop) {
                request.stop.push(stop.clone());
            }
        }
        override_sampling(&mut request.sampling, &self.sampling);
        Ok(request)
    }

    /// Measures only the instructions anew, to within a token where texts meet.
    fn size(&self, request: &ChatRequest, model: &str, size: &PromptSize) -> PromptSize {
        let Ok(text) = self.render(&request.instructions().unwrap_or_default(), model) else { return *size };
        let head = request.messages.iter().take_while(|message| is_instruction(message)).count();
        let (head, rest) = request.messages.split_at(head);
        let mut replaced = PromptSize::default();
        let mut kept = false;
        for message in head {
            replaced.add(PromptPart::Message, 1);
            for part in &message.parts {
                match part.as_text() {
                    Some(text) => replaced.add(PromptPart::Text, estimate_text(text)),
                    None => kept = true,
                }
            }
        }
        let mut size = size.without(&replaced);
        let written = !text.trim().is_empty();
        if written {
            size.add(PromptPart::Text, estimate_text(&text));
        }
        // Instructions in the user's role become part of a turn, if there is one to join.
        let joins = self.role == InstructionRole::User
            && (!self.examples.is_empty() || rest.first().is_some_and(is_turn));
        if (written || kept) && !joins {
            size.add(PromptPart::Message, 1);
        }
        size.with(&self.fixed)
    }
}

/// Shows only the name: variables may be confidential.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.name)
    }
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// Whether this is the user's own turn, rather than tool results sent in the user's role.
fn is_turn(message: &Message) -> bool {
    message.role == Role::User && !message.parts.iter().any(|part| matches!(part, Part::ToolResult(_)))
}

fn insert_instructions(messages: &mut Vec<Message>, role: Role, mut parts: Vec<Part>) {
    match messages.first_mut() {
        Some(first) if role == Role::User && is_turn(first) => {
            if let Some(Part::Text(text)) = parts.last_mut() {
                text.push_str("\n\n");
            }
            parts.append(&mut first.parts);
            first.parts = parts;
        }
        _ => messages.insert(0, Message::new(role, parts)),
    }
}

/// Extends the first and the last text, so that no wire inserts anything between.
fn add_affixes(parts: &mut Vec<Part>, prefix: &str, suffix: &str) {
    if !prefix.is_empty() {
        match parts.first_mut() {
            Some(Part::Text(text)) => text.insert_str(0, prefix),
            _ => parts.insert(0, Part::Text(prefix.to_owned())),
        }
    }
    if !suffix.is_empty() {
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(suffix),
            _ => parts.push(Part::Text(suffix.to_owned())),
        }
    }
}

fn override_sampling(sampling: &mut Sampling, by: &Sampling) {
    sampling.temperature = by.temperature.or(sampling.temperature);
    sampling.top_p = by.top_p.or(sampling.top_p);
    sampling.top_k = by.top_k.or(sampling.top_k);
    sampling.seed = by.seed.or(sampling.seed);
    sampling.frequency_penalty = by.frequency_penalty.or(sampling.frequency_penalty);
    sampling.presence_penalty = by.presence_penalty.or(sampling.presence_penalty);
}

/// The first line that uses `name` after a tag has begun. The engine reports unknown variables without their position.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let tag = text.find("{{").into_iter().chain(text.find("{%")).min()?;
    let rest = &text[tag..];
    let at = rest.match_indices(name).map(|(at, _)| at).find(|&at| {
        let before = rest[..at].chars().next_back();
        let after = rest[at + name.len()..].chars().next();
        !before.is_some_and(|character| is_word(character) || character == '.') && !after.is_some_and(is_word)
    })?;
    Some(text[..tag + at].matches('\n').count() + 1)
}

#[cfg(test)]
mod tests;
