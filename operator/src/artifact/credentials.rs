//! Whose leave is used at a registry, and by which authorities it is known: read from a folder that a secret is mounted as.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use ureq::tls::{Certificate, PemItem, parse_pem};

use super::error::ArtifactError;

/// Docker's own registry, under the names that configurations have for it.
const DOCKER: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// What is known of a registry beforehand.
#[derive(Clone, Default)]
pub struct Credentials {
    /// A name and a password.
    pub login: Option<Login>,
    /// Authorities that may have signed its certificate, beside those that everybody knows.
    pub authorities: Vec<Certificate<'static>>,
}

/// A name and a password. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// `.dockerconfigjson`
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    /// Name and password with a colon between them, in base64.
    #[serde(rename = "auth")]
    encoded: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    /// Reads every `.json` and every `.crt` of a folder, in the order of their names; the first that knows the registry counts.
    pub fn read(folder: &Path, registry: &str) -> Result<Self, ArtifactError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| ArtifactError::Read { path, source }
        };
        let entries = fs::read_dir(folder).map_err(unreadable(folder))?;
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(unreadable(folder))?;
        files.sort();
        let mut read = Self::default();
        for file in files {
            let wrong = |why: &str| ArtifactError::Credentials {
                file: file.clone(),
                why: why.to_owned(),
            };
            match file.extension().and_then(|end| end.to_str()) {
                Some("json") if read.login.is_none() => {
                    let text = fs::read(&file).map_err(unreadable(&file))?;
                    // Its own words would show what it has.
                    let config: Config = serde_json::from_slice(&text)
                        .map_err(|_| wrong("it is no configuration of Docker's"))?;
                    read.login = login(&config, registry).map_err(wrong)?;
                }
                Some("crt") => {
                    let text = fs::read(&file).map_err(unreadable(&file))?;
                    let before = read.authorities.len();
                    for item in parse_pem(&text) {
                        match item.map_err(|_| wrong("it is no certificate in PEM"))? {
                            PemItem::Certificate(authority) => read.authorities.push(authority),
                            _ => return Err(wrong("it has something else than certificates")),
                        }
                    }
                    if read.authorities.len() == before {
                        return Err(wrong("it has no certificate"));
                    }
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

fn login(config: &Config, registry: &str) -> Result<Option<Login>, &'static str> {
    let known = config.auths.iter().find(|(key, _)| is_of(key, registry));
    let Some((_, auth)) = known else {
        return Ok(None);
    };
    if let (Some(name), Some(password)) = (&auth.username, &auth.password) {
        return Ok(Some(Login {
            name: name.clone(),
            password: password.clone(),
        }));
    }
    let unreadable = "the credentials of this registry are no name and password in base64";
    let encoded = auth.encoded.as_deref().unwrap_or_default();
    let text = STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(unreadable)?;
    let (name, password) = text.split_once(':').ok_or(unreadable)?;
    Ok(Some(Login {
        name: name.to_owned(),
        password: password.to_owned(),
    }))
}

/// Keys are registries, some written as addresses.
fn is_of(key: &str, registry: &str) -> bool {
    let key = key.strip_prefix("https://").unwrap_or(key);
    let key = key.strip_prefix("http://").unwrap_or(key);
    let host = key.split('/').next().unwrap_or_default();
    host == registry || DOCKER.contains(&host) && DOCKER.contains(&registry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_is_found_under_the_registry_in_any_spelling() {
        let encoded = STANDARD.encode("me:pass:word");
        for (auths, registry, expected) in [
            (
                json!({ "r.example": { "auth": encoded } }),
                "r.example",
                Ok(Some("me")),
            ),
            (
                json!({ "https://r.example/v1/": { "auth": encoded } }),
                "r.example",
                Ok(Some("me")),
            ),
            (
                json!({ "r.example:5000": { "auth": encoded } }),
                "r.example",
                Ok(None),
            ),
            (
                json!({ "https://index.docker.io/v1/": { "auth": encoded } }),
                "docker.io",
                Ok(Some("me")),
            ),
            (
                json!({ "r.example": { "username": "you", "password": "pass:word" } }),
                "r.example",
                Ok(Some("you")),
            ),
            (
                json!({ "r.example": { "auth": "?" } }),
                "r.example",
                Err(()),
            ),
            (json!({ "r.example": {} }), "r.example", Err(())),
            (json!({}), "r.example", Ok(None)),
        ] {
            let config = serde_json::from_value(json!({ "auths": auths })).unwrap();
            let found = login(&config, registry).map_err(|_| ());
            if let Ok(Some(login)) = &found {
                assert_eq!(login.password, "pass:word");
            }
            let name = found.map(|login| login.map(|login| login.name));
            assert_eq!(
                name,
                expected.map(|name| name.map(str::to_owned)),
                "{auths}"
            );
        }
    }

    #[test]
    fn a_folder_may_have_several_and_what_is_no_good_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let read = || Credentials::read(folder.path(), "r.example");
        assert!(read().unwrap().login.is_none());
        write("0.json", r#"{"auths":{"other.example":{"auth":"eDp5"}}}"#);
        write("1.json", r#"{"auths":{"r.example":{"auth":"eDp5"}}}"#);
        assert_eq!(read().unwrap().login.unwrap().name, "x");
        write("2.crt", "nothing");
        let error = read().err().unwrap().to_string();
        assert!(error.contains("2.crt: it has no certificate"), "{error}");
        fs::remove_file(folder.path().join("2.crt")).unwrap();
        write("0.json", r#"{"auths":{"r.example":{"auth":"sécret"#);
        let error = read().err().unwrap().to_string();
        assert!(error.contains("0.json: it is no configuration"), "{error}");
        assert!(!error.contains("cret"), "{error}");
    }
}
