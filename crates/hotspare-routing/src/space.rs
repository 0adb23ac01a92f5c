//! Which models' vectors can be compared.
//!
//! Not whether a target is healthy. Invariant: the vector space of a route depends on the route and the request, never
//! on health or chance, so that two calls of one route never mix two spaces.

use std::fmt;

use hotspare_core::ModelProfile;

/// The vector space of a model's embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space<'a> {
    family: &'a str,
    dimensions: Option<u32>,
}

impl<'a> Space<'a> {
    /// The space of `model`, described by `profile`, if `wanted` dimensions are requested.
    #[must_use]
    pub fn new(profile: &'a ModelProfile, model: &'a str, wanted: Option<u32>) -> Self {
        Self {
            family: profile.embedding_family.as_deref().unwrap_or(model),
            dimensions: wanted.or(profile.embedding_dimensions),
        }
    }

    /// Dimensions of each vector, if known.
    #[must_use]
    pub fn dimensions(&self) -> Option<u32> {
        self.dimensions
    }

    /// Why vectors of this space cannot replace those of `other`, if they cannot. Unknown dimensions match any.
    #[must_use]
    pub fn mismatch(&self, other: &Self) -> Option<Mismatch> {
        if self.family != other.family {
            let (is, wanted) = (self.family.to_owned(), other.family.to_owned());
            return Some(Mismatch::Family { is, wanted });
        }
        match (self.dimensions, other.dimensions) {
            (Some(is), Some(wanted)) if is != wanted => Some(Mismatch::Dimensions { is, wanted }),
            _ => None,
        }
    }
}

/// Why vectors cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// They have different dimensions.
    Dimensions {
        /// Of the target.
        is: u32,
        /// Of the route.
        wanted: u32,
    },
    /// They come from different families of models.
    Family {
        /// Of the target.
        is: String,
        /// Of the route.
        wanted: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dimensions { is, wanted } => {
                write!(f, "its vectors have {is} dimensions, those of the route {wanted}")
            }
            Self::Family { is, wanted } => {
                write!(f, "its embedding family is {is}, that of the route {wanted}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_mismatch_only_on_known_differences() {
        let unknown = ModelProfile::default();
        let mut known = ModelProfile::default();
        known.embedding_family = Some("e".into());
        known.embedding_dimensions = Some(256);
        let mut longer = known.clone();
        longer.embedding_dimensions = Some(512);
        let space = |profile, model, wanted| Space::new(profile, model, wanted);
        assert_eq!(space(&unknown, "e", None).mismatch(&space(&known, "another name", None)), None);
        let other = space(&unknown, "f", None).mismatch(&space(&known, "e", None)).unwrap();
        assert_eq!(other.to_string(), "its embedding family is f, that of the route e");
        let other = space(&longer, "e", None).mismatch(&space(&known, "e", None)).unwrap();
        assert_eq!(other.to_string(), "its vectors have 512 dimensions, those of the route 256");
        assert_eq!(space(&longer, "e", Some(64)).mismatch(&space(&known, "e", Some(64))), None);
    }
}
