//! The engine with what Jinja, and the library that templates are written for, put at a template's disposal.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, Value, escape_formatter, filters,
};
use minijinja_contrib::{filters as more, globals};

use super::{case, cycler, dump, lines, methods, operators, percent, python, url, wrap};

/// What `raise_exception` puts before its message, so that it is told from a broken template.
pub(super) const REFUSAL: &str = "refused by the template: ";

/// An engine without templates.
pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_unknown_method_callback(methods::python);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|out, state, value| match python::text(value) {
        Some(text) => out.write_str(&text).map_err(Error::from),
        None => escape_formatter(out, state, value),
    });
    environment.add_filter("indent", lines::indent);
    environment.add_filter("trim", lines::trim);
    environment.add_filter("title", |text: &Value| case::words(&text.to_string()));
    environment.add_filter("capitalize", |text: &Value| {
        case::capitalize(&text.to_string())
    });
    environment.add_filter("format", percent::filter);
    environment.add_filter("tojson", dump::tojson);
    environment.add_filter("string", string);
    environment.add_filter("join", join);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("center", center);
    environment.add_filter("wordcount", wordcount);
    environment.add_filter("xmlattr", xmlattr);
    environment.add_filter("truncate", truncate);
    environment.add_filter("striptags", more::striptags);
    environment.add_filter("filesizeformat", more::filesizeformat);
    environment.add_filter("random", more::random);
    environment.add_filter("urlencode", url::urlencode);
    environment.add_filter("wordwrap", wrap::wordwrap);
    environment.add_filter(operators::FILTER, |left: &Value, right: &Value| {
        percent::percent(left, right)
    });
    environment.add_function("cycler", |items: Rest<Value>| cycler::cycler(items.0));
    environment.add_function("joiner", globals::joiner);
    environment.add_function(
        "raise_exception",
        |message: Value| -> Result<Value, Error> { Err(invalid(format!("{REFUSAL}{message}"))) },
    );
    Ok(environment)
}

pub(super) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

fn string(state: &mut State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match python::text(value) {
        Some(text) => Ok(Value::from(text)),
        None => filters::string(state, value),
    }
}

/// The engine's filter over items whose floats are spelled already.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine passes arguments by value"
)]
fn join(
    state: &mut State<'_, '_>,
    value: &Value,
    given: Rest<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    let items = if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let spelled = |item: Value| python::text(&item).map_or(item, Value::from);
        value.try_iter()?.map(spelled).collect()
    } else {
        value.clone()
    };
    let (joiner, attribute) = from_args(&given)?;
    filters::join(state, &items, joiner, attribute, named)
}

/// Text in the middle of a line, 80 wide where nothing is said.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine passes arguments by value"
)]
fn center(text: &Value, width: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let width = match width {
        Some(width) => width,
        None => options.get::<Option<usize>>("width")?.unwrap_or(80),
    };
    options.assert_all_used()?;
    methods::center(&text.to_string(), width, ' ')
}

/// Runs of letters, digits and underscores.
fn wordcount(text: &Value) -> usize {
    text.to_string()
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .count()
}

/// The pairs of a mapping as attributes of a tag; those without a value are left out.
fn xmlattr(pairs: &Value, space: Option<bool>) -> Result<Value, Error> {
    let mut attributes = Vec::new();
    for key in pairs.try_iter()? {
        let value = pairs.get_item(&key)?;
        if matches!(value.kind(), ValueKind::None | ValueKind::Undefined) {
            continue;
        }
        let name = key.to_string();
        if name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(invalid(format!(
                "invalid character in attribute name {name:?}"
            )));
        }
        attributes.push(format!(
            "{}=\"{}\"",
            escape(&Value::from(name)),
            escape(&value)
        ));
    }
    let lead = if space.unwrap_or(true) && !attributes.is_empty() {
        " "
    } else {
        ""
    };
    Ok(Value::from(format!("{lead}{}", attributes.join(" "))))
}

/// The library's filter takes its options by name alone.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine passes arguments by value"
)]
fn truncate(
    state: &mut State<'_, '_>,
    value: &Value,
    given: Rest<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    const NAMES: [&str; 4] = ["length", "killwords", "end", "leeway"];
    let given = methods::in_order(&given, &named, &NAMES)?;
    let named = NAMES.into_iter().zip(given);
    let named: Kwargs = named.filter(|(_, value)| !value.is_undefined()).collect();
    more::truncate(state, value, named)
}

/// Markup in place of the characters that mean something in it.
fn escape(value: &Value) -> Value {
    if value.is_safe() {
        return value.clone();
    }
    let mut out = String::new();
    for character in python::text(value)
        .unwrap_or_else(|| value.to_string())
        .chars()
    {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    Value::from_safe_string(out)
}
