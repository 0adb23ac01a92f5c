//! Tokens of images and documents.
//!
//! Not exact for anybody: each provider scales and tiles in its own way, and these are figures between theirs. Invariant:
//! only the head of an image is decoded, and what cannot be read costs what a usual one costs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::Media;

/// An image of unknown size: about 1000 × 800.
const USUAL: u64 = 1_000;
/// The least and the most that an image is taken for; providers shrink larger ones.
const LEAST: u64 = 85;
const MOST: u64 = 1_600;
/// Square pixels per token, between the published formulas.
const PIXELS: u64 = 750;
/// Characters of base64 that hold the size in every usual format.
const HEAD: usize = 32 << 10;
/// A page of a document, and its usual size in characters of base64.
const PAGE: u64 = 1_500;
const PAGE_SIZE: u64 = 60_000;

/// Tokens of an image.
pub(super) fn image(image: &Media) -> u64 {
    let Media::Base64 { data, .. } = image else { return USUAL };
    let end = data.len().min(HEAD) & !3;
    let Some(head) = data.get(..end).and_then(|head| STANDARD.decode(head).ok()) else { return USUAL };
    match imagesize::blob_size(&head) {
        Ok(size) => {
            (size.width as u64).saturating_mul(size.height as u64).div_euclid(PIXELS).clamp(LEAST, MOST)
        }
        Err(_) => USUAL,
    }
}

/// Tokens of a document: plain text as text, anything else by its length in pages.
pub(super) fn document(document: &Media) -> u64 {
    match document {
        Media::Base64 { media_type, data } if media_type.starts_with("text/") => data.len() as u64 * 3 / 16,
        Media::Base64 { data, .. } => PAGE * (data.len() as u64).div_ceil(PAGE_SIZE).max(1),
        _ => PAGE,
    }
}
