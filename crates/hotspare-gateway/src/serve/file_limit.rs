//! The limit of open files.
//!
//! Invariant: no more connections are accepted than the system has files for; otherwise accepted connections would use
//! up the files that their requests need upstream.

/// Files used for anything but client connections and their requests: listener, log, clock, operators' connections.
const RESERVED_FILES: usize = 64;

/// Files per client connection: its own, and that of its request to a provider.
const FILES_PER_CONNECTION: usize = 2;

/// Raises this process's limit of open files, as far as the system allows, to what `connections` clients need. Returns
/// the number of connections for which the limit suffices.
#[must_use]
pub fn raise_file_limit(connections: usize) -> usize {
    let needed =
        u64::try_from(connections.saturating_mul(FILES_PER_CONNECTION).saturating_add(RESERVED_FILES))
            .unwrap_or(u64::MAX);
    limit(needed).map_or(connections, |limit| connections.min(connections_within(limit)))
}

fn connections_within(limit: u64) -> usize {
    (usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES) / FILES_PER_CONNECTION)
        .max(1)
}

/// The limit, raised to `needed` if possible; `None` if there is no limit.
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
    fn connection_limit_leaves_files_for_upstream_requests() {
        assert_eq!(connections_within(128), 32);
        assert_eq!(connections_within(1_024), 480);
        assert_eq!(connections_within(0), 1);
        assert_eq!(raise_file_limit(1), 1);
        assert!(raise_file_limit(usize::MAX) < usize::MAX || cfg!(not(unix)));
    }
}
