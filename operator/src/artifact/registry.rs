//! One registry: each request with a deadline and, where the registry asks for it, with somebody's leave; what may pass is
//! tried again.
use std::{io::Read, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use ureq::{
    Agent, Body, SendBody,
    http::{HeaderMap, Request, Response, StatusCode},
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

use super::{
    credentials::{Credentials, Login},
    error::ArtifactError,
    name::Name,
};

/// Pauses before further tries: a registry that is started anew is back by then. Later ones are the job's to make.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// A registry takes a connection at once.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// The longest that it may take nothing of what it is sent.
const WRITE_LIMIT: Duration = Duration::from_mins(1);
/// The longest that it may say nothing: it files gigabytes away after the last of them came.
const READ_LIMIT: Duration = Duration::from_mins(5);
/// Bytes of an answer that is no program: manifests of ours have a few hundred for each layer.
const ANSWER: u64 = 4 << 20;
/// Characters of an answer that are told.
const TOLD: usize = 200;

/// A registry and the image of it that is meant.
pub struct Registry {
    /// Which image.
    pub name: Name,
    agent: Agent,
    base: String,
    login: Option<Login>,
    /// What it was shown last, where it asked for anything.
    leave: Option<String>,
}

/// What is sent.
pub enum Sent<'a> {
    /// Nothing.
    Nothing,
    /// A text of this kind.
    Text(&'a str, &'a str),
    /// So many bytes, from wherever they come.
    Bytes(u64, Box<dyn Read + 'a>),
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// One that is asked with TLS: authorities that everybody knows, and those that were given.
    pub fn secure(name: Name, given: Credentials) -> Self {
        Self::new("https", name, given)
    }

    /// One that is asked without, which is refused unless it is near.
    pub fn plain(name: Name, given: Credentials) -> Result<Self, ArtifactError> {
        if !name.is_private() {
            return Err(ArtifactError::Public {
                registry: name.registry().to_owned(),
            });
        }
        Ok(Self::new("http", name, given))
    }

    fn new(scheme: &str, name: Name, given: Credentials) -> Self {
        let Credentials { login, authorities } = given;
        let known = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let known = known.map(|authority| Certificate::from_der(authority).to_owned());
        let trusted: Vec<_> = known.chain(authorities).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&trusted))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let mut settings = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT_LIMIT))
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_per_write(Some(WRITE_LIMIT))
            .timeout_per_read(Some(READ_LIMIT))
            .timeout_recv_response(Some(READ_LIMIT))
            .tls_config(tls);
        if scheme == "http" {
            // What is near is not behind a proxy.
            settings = settings.proxy(None);
        }
        let base = format!("{scheme}://{}/", name.host());
        Self {
            name,
            agent: settings.build().into(),
            base,
            login,
            leave: None,
        }
    }

    /// The address of something of the repository, `blobs/…`.
    pub fn address(&self, what: &str) -> String {
        format!("{}v2/{}/{what}", self.base, self.name.path())
    }

    /// An address that the registry gave, which may leave itself out.
    pub fn resolved(&self, location: &str) -> String {
        if location.contains("://") {
            return location.to_owned();
        }
        format!("{}{}", self.base, location.trim_start_matches('/'))
    }

    /// Does something, again after a pause where what went wrong may pass.
    pub fn tried<T>(
        &mut self,
        tell: &dyn Fn(&str),
        mut work: impl FnMut(&mut Self) -> Result<T, ArtifactError>,
    ) -> Result<T, ArtifactError> {
        for pause in PAUSES {
            match work(self) {
                Err(error) if error.may_pass() => {
                    let why = crate::failure::chain(&error);
                    tell(&format!("{why}; again in {} s", pause.as_secs_f32()));
                    std::thread::sleep(pause);
                }
                ended => return ended,
            }
        }
        work(self)
    }

    /// Asks once; an answer that is `expected` or any of success is given, any other is an error. `sent` is made anew where the
    /// registry asks who we are.
    pub fn ask<'a>(
        &mut self,
        doing: &str,
        (method, address): (&str, &str),
        expected: &[u16],
        mut sent: impl FnMut() -> Sent<'a>,
    ) -> Result<Response<Body>, ArtifactError> {
        // Whoever is sent elsewhere by a registry does not show there what it was given.
        let is_its = address.starts_with(&self.base);
        let leave = self.leave.clone().filter(|_| is_its);
        let mut answer = self.once(doing, method, address, leave.as_deref(), sent())?;
        if answer.status() == StatusCode::UNAUTHORIZED && is_its {
            self.leave = self.leave_for(doing, answer.headers())?;
            if let Some(leave) = self.leave.clone() {
                answer = self.once(doing, method, address, Some(&leave), sent())?;
            }
        }
        let status = answer.status();
        if status.is_success() || expected.contains(&status.as_u16()) {
            return Ok(answer);
        }
        Err(self.refusal(doing, answer))
    }

    fn once(
        &self,
        doing: &str,
        method: &str,
        address: &str,
        leave: Option<&str>,
        sent: Sent<'_>,
    ) -> Result<Response<Body>, ArtifactError> {
        let mut request = Request::builder().method(method).uri(address);
        if let Some(leave) = leave {
            request = request.header("authorization", leave);
        }
        let accepted = super::image::MANIFEST;
        let asked = match sent {
            Sent::Nothing if matches!(method, "GET" | "HEAD") => request
                .header("accept", accepted)
                .body(())
                .map(|request| self.agent.run(request)),
            Sent::Nothing => request
                .header("content-length", "0")
                .body(SendBody::none())
                .map(|request| self.agent.run(request)),
            Sent::Text(kind, text) => request
                .header("content-type", kind)
                .body(text)
                .map(|request| self.agent.run(request)),
            Sent::Bytes(size, mut bytes) => request
                .header("content-type", "application/octet-stream")
                .header("content-length", size.to_string())
                .body(SendBody::from_reader(&mut bytes))
                .map(|request| self.agent.run(request)),
        };
        asked
            .unwrap_or_else(|error| Err(ureq::Error::Http(error)))
            .map_err(|error| self.failed(doing, error))
    }

    /// What went wrong below the answers.
    pub fn failed(&self, doing: &str, source: ureq::Error) -> ArtifactError {
        let (doing, registry) = (doing.to_owned(), self.name.registry().to_owned());
        let source = Box::new(source);
        let trusted = match source.as_ref() {
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => false,
            // The handshake is done while something else is read or written.
            ureq::Error::Io(error) => {
                let inner = error.get_ref();
                !inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
            }
            _ => true,
        };
        if trusted {
            ArtifactError::Unreachable {
                doing,
                registry,
                source,
            }
        } else {
            ArtifactError::Untrusted {
                doing,
                registry,
                source,
            }
        }
    }

    /// What an answer says that is none of success.
    fn refusal(&self, doing: &str, mut answer: Response<Body>) -> ArtifactError {
        let status = answer.status().as_u16();
        let text = body(&mut answer).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // In one line, of which enough is told to know it by.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let words: String = words.chars().take(TOLD).collect();
        let said = if words.is_empty() {
            words
        } else {
            format!(": {words}")
        };
        let (doing, registry) = (doing.to_owned(), self.name.registry().to_owned());
        match status {
            401 | 403 => ArtifactError::Refused {
                doing,
                registry,
                said,
                introduced: self.login.is_some(),
            },
            404 => ArtifactError::Missing {
                doing,
                registry,
                said,
            },
            _ => ArtifactError::Answered {
                doing,
                registry,
                status,
                said,
            },
        }
    }

    /// What the registry wants to be shown, by its challenges; nothing where we have nothing.
    fn leave_for(&self, doing: &str, headers: &HeaderMap) -> Result<Option<String>, ArtifactError> {
        let basic = self.login.as_ref().map(|Login { name, password }| {
            format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
        });
        let challenges = headers.get_all("www-authenticate").into_iter();
        let challenges = challenges.filter_map(|value| value.to_str().ok());
        let mut asks_for_login = false;
        for text in challenges {
            for challenge in http_auth::parse_challenges(text).unwrap_or_default() {
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let value = |key: &str| {
                        let mut all = challenge.params.iter();
                        all.find(|(name, _)| name.eq_ignore_ascii_case(key))
                            .map(|(_, value)| value.to_unescaped())
                    };
                    let Some(realm) = value("realm") else {
                        continue;
                    };
                    let scope = value("scope")
                        .unwrap_or_else(|| format!("repository:{}:pull,push", self.name.path()));
                    let asked = (realm.as_str(), value("service"), scope.as_str());
                    return self.token(doing, asked, basic.as_deref()).map(Some);
                }
                asks_for_login |= challenge.scheme.eq_ignore_ascii_case("basic");
            }
        }
        Ok(basic.filter(|_| asks_for_login))
    }

    /// A token from whom the registry names, for what it names.
    fn token(
        &self,
        doing: &str,
        (realm, service, scope): (&str, Option<String>, &str),
        basic: Option<&str>,
    ) -> Result<String, ArtifactError> {
        let doing = format!("{doing}: asking {realm} for a token");
        // A password goes nowhere without TLS that was not asked for so.
        if !realm.starts_with("https://") && self.base.starts_with("https://") {
            let why = "that is not to be asked without TLS".to_owned();
            return Err(ArtifactError::NoProgram { doing, why });
        }
        let mut request = self.agent.get(realm).query("scope", scope);
        if let Some(service) = service {
            request = request.query("service", service);
        }
        if let Some(basic) = basic {
            request = request.header("authorization", basic);
        }
        let answer = request.call();
        let mut answer = answer.map_err(|error| self.failed(&doing, error))?;
        if !answer.status().is_success() {
            return Err(self.refusal(&doing, answer));
        }
        let text = body(&mut answer).map_err(|error| self.failed(&doing, error))?;
        let token = serde_json::from_slice::<Token>(&text).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        match token {
            Some(token) => Ok(format!("Bearer {token}")),
            None => Err(ArtifactError::NoProgram {
                doing,
                why: "there is none in its answer".to_owned(),
            }),
        }
    }
}

/// All of an answer that is a document.
pub fn body(answer: &mut Response<Body>) -> Result<Vec<u8>, ureq::Error> {
    answer.body_mut().with_config().limit(ANSWER).read_to_vec()
}
