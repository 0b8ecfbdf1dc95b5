//! Which image of which registry, and whether that registry is near enough to be asked without TLS.
use std::net::IpAddr;

use super::error::ArtifactError;

/// Characters of a tag or of a path of a repository, beside letters and digits.
const MARKS: &str = "._-";

/// An image of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    registry: String,
    path: String,
    reference: Reference,
}

/// Which of a repository's images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// That which has this tag.
    Tag(String),
    /// That with this digest, `sha256:…`.
    Digest(String),
}

impl Name {
    /// Reads `REGISTRY/PATH:TAG` or `REGISTRY/PATH@sha256:…`.
    pub fn read(text: &str) -> Result<Self, ArtifactError> {
        Self::parsed(text).ok_or_else(|| ArtifactError::Name {
            name: text.to_owned(),
            wanted: "image of a registry",
        })
    }

    fn parsed(text: &str) -> Option<Self> {
        let (registry, rest) = text.split_once('/')?;
        let (path, reference) = if let Some((path, digest)) = rest.split_once('@') {
            (path, Reference::Digest(digest.to_owned()))
        } else {
            let (path, tag) = rest.rsplit_once(':')?;
            (path, Reference::Tag(tag.to_owned()))
        };
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || MARKS.contains(c))
        };
        let named = registry == "localhost" || registry.contains(['.', ':']);
        let is_host = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
        let is_said = match &reference {
            Reference::Tag(tag) => is_plain(tag) && tag.len() <= 128,
            Reference::Digest(digest) => digest.strip_prefix("sha256:").is_some_and(|digits| {
                digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            }),
        };
        let fits = named && registry.chars().all(is_host) && is_said;
        (fits && path.split('/').all(is_plain)).then(|| Self {
            registry: registry.to_owned(),
            path: path.to_owned(),
            reference,
        })
    }

    /// The registry as it is named, with its port where it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Where it answers: Docker's own is named otherwise than it is reached.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        }
    }

    /// The repository in it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which of its images.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Whether it is on this machine or on a private network.
    pub fn is_private(&self) -> bool {
        let host = self.registry.trim_start_matches('[');
        let host = match host.split_once(']') {
            Some((address, _)) => address,
            None => host.split(':').next().unwrap_or_default(),
        };
        match host.parse() {
            Ok(IpAddr::V4(address)) => {
                address.is_loopback() || address.is_private() || address.is_link_local()
            }
            Ok(IpAddr::V6(address)) => {
                address.is_loopback()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            }
            Err(_) => {
                let inside = [".local", ".internal", ".svc", ".localhost"];
                !host.contains('.') || inside.iter().any(|end| host.ends_with(end))
            }
        }
    }
}

impl Reference {
    /// As it stands in an address.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag,
            Self::Digest(digest) => digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_registry_path_and_image() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            (
                "registry.example/a/b:b3-0",
                Some(("registry.example", "a/b", "b3-0")),
            ),
            ("10.0.0.1:5000/a:t", Some(("10.0.0.1:5000", "a", "t"))),
            ("localhost/a:t", Some(("localhost", "a", "t"))),
            (
                &format!("r.example/a@{digest}"),
                Some(("r.example", "a", &*digest)),
            ),
            ("team/programs:t", None),
            ("registry.example/a", None),
            ("registry.example:5000/a", None),
            ("registry.example/:t", None),
            ("registry.example/a//b:t", None),
            ("registry.example/../a?b:t", None),
            ("registry.example/a@sha256:abc", None),
            ("registry.example/a@sha512:abc", None),
            ("user@registry.example/a:t", None),
            ("", None),
        ] {
            let read = Name::read(text).ok();
            let said = read.as_ref().map(|name| {
                let Name {
                    registry,
                    path,
                    reference,
                } = name;
                (registry.as_str(), path.as_str(), reference.as_str())
            });
            assert_eq!(said, expected, "{text}");
        }
    }

    #[test]
    fn only_what_is_near_is_asked_without_tls() {
        for (registry, expected) in [
            ("127.0.0.1:5000", true),
            ("localhost", true),
            ("[::1]:5000", true),
            ("10.98.0.1:5000", true),
            ("192.168.1.1:80", true),
            ("registry:5000", true),
            ("registry.team.svc", true),
            ("registry.team.svc:5000", true),
            ("registry.local:5000", true),
            ("registry.example", false),
            ("8.8.8.8:5000", false),
            ("local.example:80", false),
            ("[2001:db8::1]:5000", false),
        ] {
            let name = Name::read(&format!("{registry}/a:t")).unwrap();
            assert_eq!(name.is_private(), expected, "{registry}");
        }
    }
}
