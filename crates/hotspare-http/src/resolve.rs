//! Resolution of host names.
//!
//! By the system's resolver. Invariant: at most two addresses of each family, because the connector divides the time to
//! connect by their number: of eight addresses each would get an eighth, too little for a host on another continent.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Keeps the first two addresses of each family.
#[derive(Debug)]
pub(crate) struct FewAddresses;

/// Addresses per family: a second one, should the first be dead.
const KEPT: usize = 2;

impl Resolve for FewAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is the connector's to set.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(few(found).into_iter()) as Addrs)
        })
    }
}

/// The order stays: it is the system's preference, and the server's rotation.
fn few(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut kept = [0; 2];
    found
        .filter(|address| {
            let count = &mut kept[usize::from(address.is_ipv6())];
            *count += 1;
            *count <= KEPT
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_of_each_family_are_kept_in_order() {
        let all = ["[::1]:0", "1.1.1.1:0", "[::2]:0", "1.1.1.2:0", "[::3]:0", "1.1.1.3:0"];
        let all = all.map(|address| address.parse::<SocketAddr>().unwrap());
        assert_eq!(few(all.into_iter()), all[..4]);
        assert_eq!(few(all.into_iter().filter(SocketAddr::is_ipv4)).len(), 2);
        assert!(few(std::iter::empty()).is_empty());
    }
}
