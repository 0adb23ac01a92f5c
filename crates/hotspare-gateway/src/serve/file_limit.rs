//! The limit of open files.
//!
//! Invariant: no more connections are accepted than the system has files for; otherwise accepted connections would use
//! up the files that their requests need upstream.

use hotspare::{ChatRequest, Client, RouteStatus};

/// Files used for anything but client connections and their requests: listener, log, clock, operators' connections.
const RESERVED_FILES: usize = 64;

/// Raises this process's limit of open files, as far as the system allows, to what `connections` clients of `client` need:
/// one file for each, and one for each target that a request may start at once. Returns the number of connections for
/// which the limit suffices.
#[must_use]
pub fn raise_file_limit(connections: usize, client: &Client) -> usize {
    raise(connections, 1 + widest_start(client))
}

/// The largest number of targets that a request to any of the routes starts at once.
fn widest_start(client: &Client) -> usize {
    let at_once = |route: RouteStatus| {
        let request = ChatRequest::to(route.name).user("hello");
        client.explain(&request).map_or(1, |explanation| explanation.width)
    };
    client.routes().into_iter().map(at_once).max().unwrap_or(1).max(1)
}

fn raise(connections: usize, files_each: usize) -> usize {
    let needed = connections.saturating_mul(files_each).saturating_add(RESERVED_FILES);
    enough_for(limit(u64::try_from(needed).unwrap_or(u64::MAX)), connections, files_each)
}

/// For how many of these connections a limit suffices.
fn enough_for(limit: Option<u64>, connections: usize, files_each: usize) -> usize {
    limit.map_or(connections, |limit| connections.min(connections_within(limit, files_each)))
}

fn connections_within(limit: u64, files_each: usize) -> usize {
    (usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES) / files_each).max(1)
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
    use std::sync::Arc;

    use hotspare::{Endpoint, Race, RouteSpec, Sequential};
    use hotspare_chaos::Scripted;

    use super::*;

    #[test]
    fn connection_limit_leaves_files_for_upstream_requests() {
        assert_eq!(connections_within(128, 2), 32);
        assert_eq!(connections_within(1_024, 2), 480);
        assert_eq!(connections_within(1_024, 4), 240);
        assert_eq!(connections_within(0, 2), 1);
        assert_eq!(enough_for(Some(1_024), 10, 2), 10);
        assert_eq!(enough_for(Some(1_024), usize::MAX, 2), 480);
        assert_eq!(enough_for(None, usize::MAX, 2), usize::MAX);
        assert_eq!(raise(1, 2), 1);
    }

    #[test]
    fn race_needs_a_file_for_each_of_its_targets() {
        let client = |route: RouteSpec| {
            let target = || Endpoint::custom(Arc::new(Scripted::new()), "model");
            let builder = Client::builder().target("a", target()).target("b", target()).target("c", target());
            builder.route("chat", route).build().unwrap()
        };
        assert_eq!(widest_start(&client(RouteSpec::new(Sequential::new(["a", "b", "c"])))), 1);
        assert_eq!(widest_start(&client(RouteSpec::new(Race::new(["a", "b", "c"]).at_once(3)))), 3);
    }
}
