//! Makes answers complete and well-formed, whichever model they come from.
//!
//! Not a decoder: adapters have already turned each provider's replies into [`Event`](hotspare_core::Event)s. Nothing
//! here sees bytes, headers, a clock or a provider's name; equal inputs give equal outputs.
//!
//! ```
//! use hotspare_core::{Event, FinishReason};
//! use hotspare_normalize::{Assembler, parse_json};
//!
//! let mut answer = Assembler::default();
//! answer.push(Event::TextDelta("Sure: {'ok': tr".into()))?;
//! answer.push(Event::TextDelta("ue,}".into()))?;
//! answer.push(Event::Finished(FinishReason::Stop))?;
//! let answer = answer.finish()?;
//!
//! let (value, repairs) = parse_json(&answer.text(), &answer.finish)?;
//! assert_eq!(value["ok"], true);
//! let names: Vec<&str> = repairs.iter().map(|repair| repair.as_str()).collect();
//! assert_eq!(names, ["prose", "single_quotes", "trailing_comma"]);
//! # Ok::<(), hotspare_core::Error>(())
//! ```
//!
//! Features, all off by default: `schema` (validation against JSON Schema), `templates` (Jinja prompt
//! templates) and `tiktoken` (exact token counts where the encoding is published).
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod amend;
mod assembler;
mod foreign;
mod grammar;
mod history;
mod output_check;
mod prompt;
mod repair;
#[cfg(feature = "schema")]
mod schema;
mod streamed_calls;
mod subset;
#[cfg(feature = "templates")]
mod template;
mod think;
mod tokens;
mod tool_answer;
mod tool_ids;
mod trim;
mod validate;
mod vectors;

pub use assembler::Assembler;
pub use foreign::{foreign_content, foreign_fields};
pub use grammar::{Block, Grammar};
pub use history::{Note, Portable, portable, short_tool_ids, user_first};
pub use output_check::{OutputCheck, Repaired};
pub use prompt::PromptTemplate;
pub use repair::{BadJson, Repair, parse_json, repair_json};
#[cfg(feature = "schema")]
pub use schema::JsonSchema;
pub use streamed_calls::{StreamedCalls, invalid_arguments};
pub use subset::{Rewritten, rewrite_schema};
#[cfg(feature = "templates")]
pub use template::{InstructionRole, Template};
pub use think::ThinkSplitter;
pub use tokens::{Calibration, chat_size, count_text, estimate_text, exact_size, message_size, prompt_size};
pub use tool_answer::{ToolAnswer, by_tool};
pub use tool_ids::ToolIds;
pub use trim::trim;
pub use validate::{Validator, Violation};
pub use vectors::Vectors;
