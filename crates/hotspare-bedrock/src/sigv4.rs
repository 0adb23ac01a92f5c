//! Signatures of the AWS kind, version 4.
//!
//! The arithmetic is `aws-sigv4`'s. A secret has the form `id:key` or `id:key:token`; one without parts is a bearer key,
//! which stands in the request already. Invariant: the key itself is in no header, and what a host may change on the way is
//! not signed.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use hotspare_core::{Error, Kind};
use hotspare_provider::{HttpRequest, Secret, Signer};
use http::{HeaderName, HeaderValue};

/// Signs requests to one region.
#[derive(Clone, Debug)]
pub struct SigV4 {
    region: String,
    service: String,
}

impl SigV4 {
    /// For Bedrock in this region.
    pub fn new(region: impl Into<String>) -> Self {
        Self { region: region.into(), service: "bedrock".into() }
    }

    /// For another service of the same kind.
    #[must_use]
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = service.into();
        self
    }
}

impl Signer for SigV4 {
    fn sign(&self, request: &mut HttpRequest, secret: &Secret, sent_at: SystemTime) -> Result<(), Error> {
        let parts: Vec<&str> = secret.parts().collect();
        let credentials = match parts.as_slice() {
            [_] => return Ok(()),
            [id, key] => Credentials::new(*id, *key, None, None, "hotspare"),
            [id, key, token] => Credentials::new(*id, *key, Some((*token).to_owned()), None, "hotspare"),
            _ => {
                let what =
                    "an access key has the form id:key or id:key:token, or is a bearer key without `:`";
                return Err(Error::new(Kind::Auth, what));
            }
        };
        let wrong = || Error::new(Kind::Config, "the request cannot be signed");
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(sent_at)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| wrong())?
            .into();
        let signed = request.headers.iter().filter(|(name, _)| is_signed(name));
        let signed = signed.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = SignableBody::Bytes(&request.body);
        let signable = SignableRequest::new(request.method.as_str(), request.url.as_str(), signed, body)
            .map_err(|_| wrong())?;
        let (instructions, _) = sign(signable, &params).map_err(|_| wrong())?.into_parts();
        let mut added = Vec::new();
        for (name, value) in instructions.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            added.push((name, value));
        }
        request.headers.extend(added);
        Ok(())
    }
}

/// What belongs to the request and reaches the host as it was sent.
fn is_signed(name: &HeaderName) -> bool {
    name == http::header::CONTENT_TYPE || name.as_str().starts_with("x-amz")
}

#[cfg(test)]
mod tests;
