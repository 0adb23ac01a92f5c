//! Tokens of images and documents.
//!
//! Not exact for any provider, because each scales and tiles in its own way; its costs per image and per pixel are
//! learned separately. Invariant: only the head of an image is decoded, and an unreadable one is assumed to have a
//! typical size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{Media, PromptPart, PromptSize};

/// The tokens of an image of unknown size: about 1000 × 750 pixels.
const TYPICAL_IMAGE: u64 = 1_000;
/// The most tokens assumed for an image: providers shrink larger ones.
const MAX_IMAGE: u64 = 1_600;
/// Pixels per token, between the published formulas.
const PIXELS_PER_TOKEN: u64 = 750;
/// Characters of base64 that contain the dimensions in every common format.
const HEADER_LENGTH: usize = 32 << 10;
/// The tokens of a page of a document, and its typical size in characters of base64.
const PAGE_TOKENS: u64 = 1_500;
const PAGE_LENGTH: u64 = 60_000;

/// Adds an image.
pub(super) fn add_image(size: &mut PromptSize, image: &Media) {
    size.add(PromptPart::Image, 1);
    let pixels = pixels(image).unwrap_or_else(|| {
        size.set_opaque();
        TYPICAL_IMAGE
    });
    size.add(PromptPart::Media, pixels);
}

fn pixels(image: &Media) -> Option<u64> {
    let Media::Base64 { data, .. } = image else { return None };
    let end = data.len().min(HEADER_LENGTH) & !3;
    let head = STANDARD.decode(data.get(..end)?).ok()?;
    let size = imagesize::blob_size(&head).ok()?;
    Some(
        (size.width as u64)
            .saturating_mul(size.height as u64)
            .div_euclid(PIXELS_PER_TOKEN)
            .clamp(1, MAX_IMAGE),
    )
}

/// Adds a document: plain text as text, anything else by its estimated number of pages.
pub(super) fn add_document(size: &mut PromptSize, document: &Media) {
    match document {
        Media::Base64 { media_type, data } if media_type.starts_with("text/") => {
            size.add(PromptPart::Text, data.len() as u64 * 3 / 16);
        }
        Media::Base64 { data, .. } => {
            size.set_opaque();
            size.add(PromptPart::Media, PAGE_TOKENS * (data.len() as u64).div_ceil(PAGE_LENGTH).max(1));
        }
        _ => {
            size.set_opaque();
            size.add(PromptPart::Media, PAGE_TOKENS);
        }
    }
}
