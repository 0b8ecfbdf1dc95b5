//! Every problem that a declaration can have, by stable id: the table behind `explain` and the documentation.
use crate::kind::rule;

/// A problem as the documentation tells it. Ids are never reused.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Explanation {
    /// `SP-V0007`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it means, why it is so, and what to do.
    pub paragraph: &'static str,
}

macro_rules! explanations {
    ($($name:ident = $id:literal, $title:literal, $paragraph:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Explanation = Explanation { id: $id, title: $title, paragraph: $paragraph };
        )*
        static LOADER: &[&Explanation] = &[$(&$name),*];
    };
}

explanations! {
    MALFORMED = "SP-V0001", "malformed YAML",
        "The text is not YAML, so this document could not be read at all. Documents before and after it, up to the next line that begins with `---`, are checked all the same.";
    DUPLICATE_KEY = "SP-V0002", "key given twice",
        "A mapping holds one key twice. Readers disagree on which value counts, so neither is trusted; the rest of the document is checked with the first.";
    MERGE_KEY = "SP-V0003", "merge key",
        "`<<` is a merge key of YAML 1.1, which YAML 1.2 and the Kubernetes API do not have. Write the fields out, or give the whole value an anchor and repeat it with an alias.";
    TOO_LARGE = "SP-V0004", "document too large or too deep",
        "Files are read within fixed limits of documents, nesting, values and aliases, so that none can exhaust the machine that reads it.";
    KEY_NOT_TEXT = "SP-V0005", "key is not text",
        "A field name is a list, a mapping or an alias. Every key of a declaration is plain text.";
    UNREADABLE_VALUE = "SP-V0006", "value cannot be read",
        "The value is YAML, and stands for nothing that JSON can hold: an infinite number, binary content, or an unknown tag.";
    TOO_MANY_PROBLEMS = "SP-V0008", "more problems than are shown",
        "One document has more than 50 problems, which mostly share a cause. The rest is counted, not shown.";
    NOT_AN_OBJECT = "SP-V0010", "document is no object",
        "A document must be a mapping that begins with `apiVersion` and `kind`.";
    NO_KIND = "SP-V0011", "kind or version missing",
        "A document says what it is through `apiVersion` and `kind`; without them nothing else can be checked.";
    UNKNOWN_KIND = "SP-V0012", "unknown kind",
        "The API group `shardplane.dev` has no such kind. Kinds are case-sensitive.";
    UNKNOWN_VERSION = "SP-V0013", "unknown API version",
        "The only version is `shardplane.dev/v1alpha1`.";
    LIST_DOCUMENT = "SP-V0014", "list without items",
        "A `List`, as `kubectl get -o yaml` prints it, is read as the objects under its `items`, each as if it were a document of its own. This one has no `items`, so it declares nothing.";
    FOREIGN_DOCUMENT = "SP-V0015", "not a declaration",
        "The document belongs to another API group or tool; it is recognised and left alone.";
    WRITTEN_BY_CONTROLLER = "SP-V0016", "written by the controller",
        "`CardNode` and `ChangePlan` objects are written by the controller and the agents. Read from a file they declare nothing.";
    NOTHING_DECLARED = "SP-V0017", "nothing is declared",
        "Nothing that was read declares a card policy, a group, a build or a model. What the ledger still records would be deleted, so this is said aloud.";
    STATUS_IGNORED = "SP-V0018", "status is ignored",
        "`status` is written by the controller; in a declaration it has no effect.";
    UNKNOWN_FIELD = "SP-V0020", "unknown field",
        "The kind has no such field. A misspelt field would otherwise silently have no effect.";
    MISSING_FIELD = "SP-V0021", "missing field",
        "The field must be written: there is no hidden default for it.";
    WRONG_TYPE = "SP-V0022", "wrong type",
        "The value is of another type than the field: text where a number is wanted, one value where a list is wanted.";
    NOT_AN_OPTION = "SP-V0023", "not one of the values",
        "The field takes one of a fixed set of words, written exactly so.";
    OUT_OF_RANGE = "SP-V0024", "number out of range",
        "The number is outside what the field takes.";
    TOO_LONG = "SP-V0025", "too long",
        "Every text, list and map has a longest length, so that rules over it stay cheap for the API server.";
    MALFORMED_TEXT = "SP-V0026", "text of the wrong form",
        "The text does not have the form that the field wants, such as a PCI address.";
    TOO_SHORT = "SP-V0027", "empty or too short",
        "The text or list needs at least as many characters or entries as are named.";
    UNREADABLE_SOURCE = "SP-V0028", "file cannot be read",
        "A file or folder that was named is missing, or the system does not permit reading it. What the other files say is checked all the same, but not what they say of objects that may stand in this one.";
    SOURCE_NOT_TEXT = "SP-V0029", "file is not UTF-8 text",
        "Declarations are UTF-8 text. The place is that of the first byte that is not; a file saved as Latin-1 or UTF-16 has one where the first letter beyond ASCII stands.";
    NO_SOURCE = "SP-V0035", "folder without declarations",
        "A folder that was named holds no file that ends in `.yaml`, `.yml` or `.json`. Hidden files and subfolders are left out.";
    SOURCE_TOO_LARGE = "SP-V0036", "file too large",
        "A file is larger, or a folder fuller, than any declaration is; a mistaken path to something else ends here.";
    BAD_NAME = "SP-V0030", "bad object name",
        "Names of objects are lower-case letters, digits, `-` and `.`, begin and end with a letter or digit, and hold at most 253 characters.";
    NAMESPACE_ON_CLUSTER_KIND = "SP-V0031", "namespace on a cluster-wide kind",
        "`CardPolicy`, `P2PGroup`, `CardNode` and `ChangePlan` belong to the cluster, not to a namespace.";
    BAD_NAMESPACE = "SP-V0032", "bad namespace",
        "A namespace is at most 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit.";
    BAD_LABEL = "SP-V0033", "bad label or annotation",
        "A key is an optional DNS prefix and `/`, then at most 63 letters, digits, `-`, `_` and `.`; a label's value is at most 63 of these.";
    GENERATED_NAME = "SP-V0034", "generated name",
        "`generateName` makes another object at every apply. What is declared has a name.";
    DUPLICATE_OBJECT = "SP-V0060", "object declared twice",
        "Two documents declare the same kind and name. One of them would overwrite the other.";
    NO_SUCH_GROUP = "SP-V0061", "group not declared",
        "`groupRef` names a `P2PGroup` that nothing read here declares.";
    NO_SUCH_BUILD = "SP-V0062", "build not declared",
        "`buildRef` names a `ModelBuild` that nothing read here declares in the model's namespace.";
    MORE_SHARDS_THAN_GROUP = "SP-V0063", "more shards than the group has SoCs",
        "Every shard needs a SoC of its own. A model may use fewer shards than its group has SoCs, never more.";
    BUILD_DIFFERS = "SP-V0064", "model and build differ",
        "A program is compiled for one number of shards, one connectivity, and a longest context and batch, so a model must ask for what its build makes.";
    MEMBER_IN_TWO_GROUPS = "SP-V0065", "SoC in two groups",
        "Two groups name the same SoC on the same nodes. A SoC belongs to at most one group.";
    RETYPED_SCALAR = "SP-V0070", "text that other readers take for something else",
        "YAML 1.1 readers, PyYAML and Ansible among them, read plain `on` as true, `0000:21:00.0` as the number 1260.0 and `2026-01-01` as a date. In quotes it is text everywhere; `shardplane fmt` adds them.";
    LEFT_AS_WRITTEN = "SP-V0071", "document keeps its own layout",
        "`fmt` moves keys, comments and entries only where nothing can be lost by it. Anchors, tags, keys that are no plain text and documents in brackets are left where they stand; quotes are added all the same.";
    SNAPSHOT_UNSEALED = "SP-V0100", "recorded snapshot without a hash",
        "The snapshot has no `recording`: it was written by hand or by an older version. It is used, and nothing tells whether it is what a machine once showed.";
    SNAPSHOT_EDITED = "SP-V0101", "recorded snapshot was edited",
        "The hash in `recording` covers every value of the document, and is not that of what stands there now. What is planned by it would be about no machine.";
    SNAPSHOT_BROKEN = "SP-V0102", "recorded snapshot does not hold together",
        "A function hangs below nothing, a SoC is no function, two things share one number, a fact has a value and a reason why there is none: no probe writes that.";
    SNAPSHOT_DISORDERED = "SP-V0103", "recorded snapshot out of order",
        "Lists of a snapshot are ordered, so that two recordings of one machine are the same bytes. Plans do not depend on it.";
    SNAPSHOT_EXPIRED = "SP-V0104", "recorded snapshot has expired",
        "Whoever recorded it said until when it may be planned by; that moment has passed. `--allow-expired` uses it all the same.";
    SNAPSHOT_GAP = "SP-V0111", "recorded snapshot with a bridge that could not be read",
        "Functions hang below a bridge of which the machine told nothing but its address. What is recorded holds together and is planned by; for goals to which the bridge matters a plan says that it is not known, and a rack that is made of the recording has a bridge there which tells nothing either.";
    RACK_IMPOSSIBLE = "SP-V0105", "rack that cannot be built",
        "The rack has the form of one, and describes machines that cannot be: two things at one address, more behind a port than it has buses, a register that no such card has. No command could open it.";
}

/// Every explanation, ordered by id.
pub fn all() -> Vec<&'static Explanation> {
    let mut all: Vec<_> = LOADER
        .iter()
        .copied()
        .chain(rule::ALL.iter().map(|rule| &rule.explanation))
        .collect();
    all.sort_by_key(|explanation| explanation.id);
    all
}

/// The explanation of an id such as `SP-V0007`, in any case.
pub fn find(id: &str) -> Option<&'static Explanation> {
    all()
        .into_iter()
        .find(|explanation| explanation.id.eq_ignore_ascii_case(id))
}
