//! What the server says against an object, as kubectl prints it.

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// The field, `spec.members[1].address`; empty where it names none.
    pub field: String,
    /// The rest of the line.
    pub text: String,
}

/// How the API server begins what it has against a field.
const KINDS: [&str; 9] = [
    "Invalid value",
    "Required value",
    "Unsupported value",
    "Too long",
    "Too many",
    "Forbidden",
    "Duplicate value",
    "Not found",
    "Internal error",
];

/// Every complaint in kubectl's standard error.
pub fn complaints(stderr: &str) -> Vec<Complaint> {
    let mut complaints: Vec<Complaint> = stderr.lines().flat_map(of_line).collect();
    // `<nil>`: the server says that it looked no further, which is about no field.
    complaints.retain(|complaint| complaint.field != "<nil>");
    complaints
}

fn of_line(line: &str) -> Vec<Complaint> {
    if line.starts_with("Warning: ") || line.trim().is_empty() {
        return Vec::new();
    }
    if let Some((_, fields)) = line.split_once("strict decoding error: ") {
        return fields.split(", ").map(decoding).collect();
    }
    let invalid = line.split_once(" is invalid: ").map(|(_, said)| said);
    match (line.strip_prefix("* "), invalid) {
        // `* spec.size: Unsupported value: …`, or the same behind `The P2PGroup "quad" is invalid: `.
        (Some(said), _) => vec![complaint(said)],
        // What follows stands on lines of its own.
        (None, Some("")) => Vec::new(),
        (None, Some(said)) => match said
            .strip_prefix('[')
            .and_then(|said| said.strip_suffix(']'))
        {
            Some(several) => apart(several).iter().map(|said| complaint(said)).collect(),
            None => vec![complaint(said)],
        },
        (None, None) => vec![Complaint {
            field: String::new(),
            text: line.to_owned(),
        }],
    }
}

/// Several complaints with commas between them, which may hold commas too.
fn apart(several: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for piece in several.split(", ") {
        let begins = piece
            .split_once(": ")
            .is_some_and(|(_, rest)| KINDS.iter().any(|kind| rest.starts_with(kind)));
        match found.last_mut() {
            Some(last) if !begins => {
                last.push_str(", ");
                last.push_str(piece);
            }
            _ => found.push(piece.to_owned()),
        }
    }
    found
}

fn complaint(said: &str) -> Complaint {
    let (field, text) = said.split_once(": ").unwrap_or(("", said));
    Complaint {
        field: field.replace('"', ""),
        text: text.to_owned(),
    }
}

/// `unknown field "spec.sise"`
fn decoding(said: &str) -> Complaint {
    Complaint {
        field: said.split('"').nth(1).unwrap_or_default().to_owned(),
        text: said.to_owned(),
    }
}
