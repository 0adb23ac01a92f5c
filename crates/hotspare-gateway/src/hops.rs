//! Stops requests that go round in circles, because gateways are each other's targets.
//!
//! A target with the listener's own address is rejected earlier, at startup. Invariant: a request passes through a
//! bounded number of gateways, if each of them reaches the next in a local network or with a deadline header.

use axum::http::HeaderMap;
use hotspare::provider::HOPS_HEADER;
use hotspare::{Error, Kind};

/// Gateways that a request may have passed before this one: more than any sensible chain has.
const MAX_HOPS: u8 = 8;

/// How many gateways have passed the request on.
///
/// # Errors
/// If there were too many, or the header is not a number.
pub(crate) fn from_headers(headers: &HeaderMap) -> Result<u8, Error> {
    let Some(value) = headers.get(&HOPS_HEADER) else { return Ok(0) };
    match value.to_str().ok().and_then(|text| text.parse().ok()) {
        Some(hops) if hops <= MAX_HOPS => Ok(hops),
        Some(hops) => {
            let what = format!(
                "the request has passed through {hops} gateways, which seem to be each other's targets: correct their base_url"
            );
            Err(Error::new(Kind::InvalidRequest, what).with_status(508).with_code("loop_detected"))
        }
        None => Err(Error::new(
            Kind::InvalidRequest,
            format!("the header {HOPS_HEADER} must be a number from 0 to 255"),
        )),
    }
}
