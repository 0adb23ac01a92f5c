//! `[targets.NAME.prompt]`.
//!
//! Invariant: by the time a client is built, a template is text; [`Config::read_files`](super::Config::read_files) has
//! loaded it.

use hotspare_normalize::{InstructionRole, Template};
use serde::Deserialize;

use super::text_or::{TextOr, TextOrTable};

/// A template: the path of a file, or a table.
pub(super) type PromptDto = TextOr<TemplateDto>;

impl TextOrTable for TemplateDto {
    const EXPECTED: &'static str = "a prompt is the path of a file, or { text = \"…\" } or { file = \"…\" } with role, prefix, \
                                suffix, examples, stop, variables and sampling";
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TemplateDto {
    file: Option<String>,
    text: Option<String>,
    role: Option<String>,
    prefix: String,
    suffix: String,
    examples: Vec<ExampleDto>,
    stop: Vec<String>,
    variables: std::collections::BTreeMap<String, String>,
    sampling: SamplingDto,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleDto {
    user: String,
    assistant: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SamplingDto {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    seed: Option<i64>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
}

impl PromptDto {
    /// The path of a file that has not been read yet.
    fn file(&self) -> Option<&str> {
        match self {
            Self::Text(path) => Some(path),
            Self::Table(table) if table.text.is_none() => table.file.as_deref(),
            Self::Table(_) => None,
        }
    }

    /// Replaces the path of a file, if there is one, by its contents.
    pub(super) fn read(&mut self, read: impl Fn(&str) -> std::io::Result<String>) -> Result<(), String> {
        let Some(file) = self.file() else { return Ok(()) };
        let text = read(file).map_err(|error| format!("prompt {file}: {error}"))?;
        self.fill(text);
        Ok(())
    }

    fn fill(&mut self, text: String) {
        match self {
            Self::Text(path) => {
                let file = Some(std::mem::take(path));
                *self = Self::Table(TemplateDto { file, text: Some(text), ..TemplateDto::default() });
            }
            Self::Table(table) => table.text = Some(text),
        }
    }

    /// The template, with its name and version.
    pub(super) fn template(self) -> Result<Option<(String, Template)>, String> {
        if let Some(file) = self.file() {
            return Err(format!(
                "prompt names the file {file}, which was not read; see `Config::read_files`"
            ));
        }
        let Self::Table(table) = self else { return Ok(None) };
        let Some(text) = table.text else { return Err("prompt needs `file` or `text`".into()) };
        let name = table.file.unwrap_or_else(|| "prompt".into());
        let mut template = Template::parse_with(&name, &text, table.variables)
            .map_err(|error| error.message().to_owned())?;
        if let Some(role) = table.role {
            template = template.with_instruction_role(match role.as_str() {
                "system" => InstructionRole::System,
                "developer" => InstructionRole::Developer,
                "user" => InstructionRole::User,
                other => {
                    return Err(format!(
                        "unknown prompt.role `{other}`; valid values are system, developer and user"
                    ));
                }
            });
        }
        for example in table.examples {
            template = template.with_example(example.user, example.assistant);
        }
        let mut sampling = hotspare_core::Sampling::default();
        sampling.temperature = table.sampling.temperature;
        sampling.top_p = table.sampling.top_p;
        sampling.top_k = table.sampling.top_k;
        sampling.seed = table.sampling.seed;
        sampling.frequency_penalty = table.sampling.frequency_penalty;
        sampling.presence_penalty = table.sampling.presence_penalty;
        let template = template
            .with_prefix(table.prefix)
            .with_suffix(table.suffix)
            .with_stop(table.stop)
            .with_sampling(sampling);
        Ok(Some((template.version_name(), template)))
    }
}

#[cfg(test)]
mod tests {
    use hotspare_core::ChatRequest;
    use hotspare_normalize::PromptTemplate;

    use super::*;

    #[test]
    fn every_sampling_setting_reaches_the_request() {
        let text = r#"
            text = "{{ system }}"
            sampling = { temperature = 0.1, top_p = 0.2, top_k = 3, seed = 4, frequency_penalty = 0.5, presence_penalty = 0.6 }
        "#;
        let table: TemplateDto = toml::from_str(text).unwrap();
        let (_, template) = PromptDto::Table(table).template().unwrap().unwrap();
        let sampling = template.apply(&ChatRequest::to("r").user("x"), "m").unwrap().sampling;
        assert_eq!(
            (sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed),
            (Some(0.1), Some(0.2), Some(3), Some(4))
        );
        assert_eq!((sampling.frequency_penalty, sampling.presence_penalty), (Some(0.5), Some(0.6)));
    }
}
