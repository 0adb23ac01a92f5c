//! Room for sockets: the limit of open files.
//!
//! Invariant: connections are never promised for which the system gives no files, because callers who come first would then
//! take those that their requests need upstream.

/// Files that are no connection of a caller's nor its request's: listener, log, clock, places for operators.
const OTHERS: usize = 64;

/// Files that a caller's connection takes: its own, and its request's to a provider.
const EACH: usize = 2;

/// Raises this process's limit of open files, as far as the system lets it, to what `connections` of callers need. Returns
/// for how many the limit is enough.
#[must_use]
pub fn allow_files(connections: usize) -> usize {
    let needed = u64::try_from(connections.saturating_mul(EACH).saturating_add(OTHERS)).unwrap_or(u64::MAX);
    limit(needed).map_or(connections, |limit| connections.min(enough_for(limit)))
}

fn enough_for(limit: u64) -> usize {
    (usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(OTHERS) / EACH).max(1)
}

/// The limit, raised to `needed` if that can be done; `None` if there is none.
#[cfg(unix)]
fn limit(needed: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let wanted = maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = Rlimit { current: Some(wanted), maximum };
    if wanted > current && setrlimit(Resource::Nofile, raised).is_ok() {
        return Some(wanted);
    }
    Some(current)
}

#[cfg(not(unix))]
fn limit(_: u64) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_a_file_for_its_request_upstream() {
        assert_eq!(enough_for(128), 32);
        assert_eq!(enough_for(1_024), 480);
        assert_eq!(enough_for(0), 1);
        assert_eq!(allow_files(1), 1);
        assert!(allow_files(usize::MAX) < usize::MAX || cfg!(not(unix)));
    }
}
