//! AWS Signature Version 4.
//!
//! The computation is `aws-sigv4`'s. A secret has the form `id:key` or `id:key:token`; one without parts is a bearer
//! key, which is already in the request. Invariant: the secret key itself is in no header, and headers that may change
//! in transit are not signed.

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
    /// Signs for Bedrock in this region.
    pub fn new(region: impl Into<String>) -> Self {
        Self { region: region.into(), service: "bedrock".into() }
    }

    /// Signs for another AWS service instead, as AWS's own test vectors need it.
    #[cfg(test)]
    fn with_service(mut self, service: impl Into<String>) -> Self {
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

/// Whether a header belongs to the request and arrives unchanged.
fn is_signed(name: &HeaderName) -> bool {
    name == http::header::CONTENT_TYPE || name.as_str().starts_with("x-amz")
}

#[cfg(test)]
mod tests;
