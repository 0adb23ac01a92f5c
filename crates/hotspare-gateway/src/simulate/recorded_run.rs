//! A run as it is named on the command line and in what a failure prints.
//!
//! Repeats nothing. Invariant: a name that was printed parses to the same run.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hotspare_sim::Scenario;

/// Name of a random scenario in a [`RecordedRun`].
pub(super) const SWARM: &str = "swarm";

/// Where a scenario comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Library,
    File(PathBuf),
    Swarm,
}

/// A run to repeat: `SCENARIO:SEED`, or `SCENARIO:SEED:HASH` as a failure prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    pub(super) origin: Origin,
    pub(super) name: String,
    pub(super) seed: u64,
    /// Hash over all events.
    pub(super) hash: Option<u64>,
}

impl RecordedRun {
    pub(super) fn new(name: &str, origin: &Origin, seed: u64, hash: u64) -> Self {
        Self { origin: origin.clone(), name: name.to_owned(), seed, hash: Some(hash) }
    }
}

impl fmt::Display for RecordedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Library => write!(f, "{}", self.name)?,
            Origin::Swarm => f.write_str(SWARM)?,
            Origin::File(path) => {
                let is_taken = path.to_str().is_some_and(|path| path == SWARM || is_built_in(path));
                write!(f, "{}{}", if is_taken { "./" } else { "" }, path.display())?;
            }
        }
        write!(f, ":{}", self.seed)?;
        self.hash.map_or(Ok(()), |hash| write!(f, ":{hash:016x}"))
    }
}

impl FromStr for RecordedRun {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let with_hash = text.rsplit_once(':').and_then(|(rest, hash)| {
            let hash = (hash.len() == 16).then(|| u64::from_str_radix(hash, 16).ok())??;
            let (name, seed) = rest.rsplit_once(':')?;
            Some((name, seed.parse().ok()?, Some(hash)))
        });
        let plain = || {
            let (name, seed) = text.rsplit_once(':')?;
            Some((name, seed.parse().ok()?, None))
        };
        let (name, seed, hash): (&str, u64, _) = with_hash.or_else(plain).ok_or(
            "it is SCENARIO:SEED, such as silence:7, or the SCENARIO:SEED:HASH that a failure has printed",
        )?;
        let origin = match name {
            SWARM => Origin::Swarm,
            name if is_built_in(name) => Origin::Library,
            name if Path::new(name).is_file() => Origin::File(PathBuf::from(name)),
            name => {
                return Err(format!(
                    "`{name}` is neither a built-in scenario (--list shows them) nor a scenario file nor {SWARM}"
                ));
            }
        };
        Ok(Self { origin, name: name.to_owned(), seed, hash })
    }
}

fn is_built_in(name: &str) -> bool {
    Scenario::names().any(|built_in| built_in == name)
}
