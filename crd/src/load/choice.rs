//! Choices between schemas: which of the branches was meant, and what it has against the value.
use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind},
};

/// The words of a choice in which every branch is one word; `None` for any other choice.
pub(super) fn constants<'e>(
    error: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'_>>],
) -> Option<Vec<&'e str>> {
    let word = |error: &'e ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Constant { expected_value } => expected_value.as_str(),
        _ => None,
    };
    branches
        .iter()
        .map(|branch| {
            let here = branch
                .iter()
                .all(|inner| inner.instance_path() == error.instance_path());
            branch.iter().find_map(word).filter(|_| here)
        })
        .collect()
}

/// The branch of a choice that was meant: one whose type the value has, and of those the one with the fewest problems.
pub(super) fn meant_branch<'e, 'v>(
    error: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'v>>],
) -> Option<&'e Vec<ValidationError<'v>>> {
    let of_another_type = |branch: &[ValidationError<'_>]| {
        branch.iter().any(|inner| {
            matches!(inner.kind(), ValidationErrorKind::Type { .. })
                && inner.instance_path() == error.instance_path()
        })
    };
    branches
        .iter()
        .min_by_key(|branch| (of_another_type(branch), wants_null(branch), branch.len()))
}

/// Whether a branch only says that nothing may stand here.
fn wants_null(branch: &[ValidationError<'_>]) -> bool {
    branch.iter().any(|inner| match inner.kind() {
        ValidationErrorKind::Type {
            kind: TypeKind::Single(wanted),
        } => *wanted == JsonType::Null,
        _ => false,
    })
}
