"""Every endpoint of the node, in the order of the manual."""

from typing import Final

from tieout.evidence.packform import Pack
from tieout.node.access import Permission
from tieout.node.api import (
    acting,
    completing,
    listening,
    looking,
    meta,
    oidc,
    people,
    proving,
    publish,
    repairing,
    telling,
    working,
)
from tieout.node.api.forms import FormQuery, both
from tieout.node.api.listing import LISTS, endpoint_of
from tieout.node.api.table import (
    CSV,
    EVENTS,
    HTML,
    JSON,
    NDJSON,
    OCTETS,
    TEXT,
    TOML,
    Answer,
    Endpoint,
)
from tieout.node.bulk import BulkReceipt
from tieout.node.verdicts import Receipt
from tieout.projections.desk import Attachment, Deed, Reason
from tieout.projections.worked import Work
from tieout.wire.genesis import Genesis

_KEY: Final = {
    "Idempotency-Key": "The same key gets the same answer for a week, and nothing is done twice."
}
_RECORD_PROBLEMS: Final = (
    "malformed_body", "invalid_value", "invalid_parameter", "not_found", "conflict", "in_progress",
    "too_large", "unsupported_media_type", "key_reused", "busy", "ledger_failed",
    "refused_by_the_rules",
)  # fmt: skip
_ACT_PROBLEMS: Final = (
    "malformed_body", "invalid_value", "invalid_parameter", "not_found", "conflict",
    "refused_by_the_rules", "too_large", "unsupported_media_type", "ledger_failed", "busy",
    "no_block_yet",
)  # fmt: skip
_PERSON_PROBLEMS: Final = (*_ACT_PROBLEMS, "no_person")
_FORM_PROBLEMS: Final = (
    "malformed_body", "invalid_value", "too_large", "unsupported_media_type", "conflict",
)  # fmt: skip
_READ: Final = Permission.READ
_TRANSACTION: Final = "/v1/agreements/{name}/transactions/{transaction_id}"


def _one(what: str, form: object, media: str = JSON) -> dict[int, Answer]:
    return {200: Answer(what, {media: form})}


def _made(what: str, form: object) -> dict[int, Answer]:
    return {201: Answer(what, {JSON: form})}


PUBLISHING: Final = (
    Endpoint(
        "POST", "/v1/agreements/{name}/records", "publish_records", Permission.PUBLISH,
        "Publish one record, or many.", publish.publish_records,
        {
            200: Answer("What became of the record, or of many.", {JSON: (Receipt, BulkReceipt)}),
            202: Answer("The record is safe and stands in no block yet.", {JSON: Receipt}),
        },
        publish.RecordQuery, {JSON: dict[str, str | int | None], NDJSON: None, CSV: None},
        _RECORD_PROBLEMS, _KEY,
    ),
    Endpoint(
        "DELETE", "/v1/agreements/{name}/records/{transaction_id}", "withdraw_record",
        Permission.PUBLISH, "Take a role's record back.", publish.withdraw_record,
        {
            200: Answer("What became of the withdrawal.", {JSON: Receipt}),
            202: Answer("The withdrawal is safe and stands in no block yet.", {JSON: Receipt}),
        },
        publish.WithdrawQuery, {}, _RECORD_PROBLEMS, _KEY,
    ),
    Endpoint(
        "POST", "/v1/batches", "publish_signed", Permission.PUBLISH,
        "Hand over a batch that a party signed itself.", publish.publish_signed,
        _one("Where the batch stands.", publish.SignedReceipt), body={publish.SIGNED: None},
        problems=_ACT_PROBLEMS,
    ),
)  # fmt: skip

ACTING: Final = (
    Endpoint(
        "POST", "/v1/agreements", "enact_agreement", Permission.GOVERN,
        "Put an agreement, or its next version, into force.", acting.enact_agreement,
        _made("It is in force, or waits for the other parties.", acting.Done), body={TOML: None},
        problems=_ACT_PROBLEMS,
    ),
    Endpoint(
        "POST", "/v1/agreements/{name}/cutoffs", "close_cutoff", Permission.OPERATE,
        "Close a cut-off: judge what was opened up to a time.", acting.close_cutoff,
        _made("It is closed.", acting.Done), body={JSON: acting.CutoffRequest},
        problems=_ACT_PROBLEMS,
    ),
    Endpoint(
        "POST", "/v1/agreements/{name}/statements", "state_day", Permission.OPERATE,
        "State a party's day: what its books hold, compared with the ledger.",
        completing.state_day, _made("What came of it.", completing.StatementView),
        body={JSON: completing.StatementRequest}, problems=_ACT_PROBLEMS,
    ),
    Endpoint(
        "POST", _TRANSACTION + "/acknowledge", "acknowledge_alarm", Permission.APPROVE,
        "Say that a person has seen the alarm.", acting.acknowledge,
        _one("It is acknowledged.", acting.Done), acting.AlarmQuery,
        problems=_PERSON_PROBLEMS,
    ),
    Endpoint(
        "POST", _TRANSACTION + "/adjustments/{adjustment}/approve", "approve_adjustment",
        Permission.APPROVE, "Approve a correcting entry, with one's personal key.", acting.approve,
        _one("How the entry stands now.", acting.AdjustmentState), looking.TransactionQuery,
        {JSON: acting.StepRequest}, _PERSON_PROBLEMS,
    ),
    Endpoint(
        "POST", _TRANSACTION + "/adjustments/{adjustment}/refuse", "refuse_adjustment",
        Permission.APPROVE, "Refuse a correcting entry, with one's personal key.", acting.refuse,
        _one("How the entry stands now.", acting.AdjustmentState), looking.TransactionQuery,
        {JSON: acting.RefusalRequest}, _PERSON_PROBLEMS,
    ),
)  # fmt: skip

LOOKING: Final = (
    Endpoint(
        "GET", "/v1/agreements/{name}/statements", "list_statements", _READ,
        "What came of the days that parties stated, the latest of each role.",
        completing.list_statements, _one("By version, role, party, period.",
        list[completing.StatementView]), problems=("not_found",),
    ),
    Endpoint(
        "POST", "/v1/agreements/{name}/roles/{role}/drill", "drill", _READ,
        "Hashes of parts of what the ledger holds of a role, to find the record that differs.",
        completing.drill, _one("The answer (docs/formats/set-hash.md).", None, OCTETS),
        completing.DrillQuery, {OCTETS: None},
        problems=("not_found", *_FORM_PROBLEMS),
    ),
    Endpoint(
        "GET", "/v1/ledger", "tell_ledger", _READ, "Where the ledger stands.", looking.tell_ledger,
        _one("Height, time, size.", looking.LedgerView),
    ),
    Endpoint(
        "GET", "/v1/genesis", "give_genesis", _READ, "The genesis: what a verifier has to trust.",
        looking.give_genesis, _one("The genesis in its one form.", Genesis),
    ),
    Endpoint(
        "GET", "/v1/checkpoint", "give_checkpoint", _READ, "Size and root of the log, signed.",
        looking.give_checkpoint, _one("A C2SP tlog-checkpoint.", None, TEXT),
        problems=("not_found",),
    ),
    Endpoint(
        "GET", "/v1/proofs/inclusion", "prove_inclusion", _READ,
        "Proof that a leaf stands in the log, up to the signed checkpoint.",
        proving.prove_inclusion, _one("The proof.", proving.InclusionProof),
        proving.InclusionQuery, problems=("not_found",),
    ),
    Endpoint(
        "GET", "/v1/proofs/consistency", "prove_consistency", _READ,
        "Proof that the log of an earlier checkpoint is the beginning of the log now.",
        proving.prove_consistency, _one("The proof.", proving.ConsistencyProof),
        proving.ConsistencyQuery, problems=("not_found",),
    ),
    Endpoint(
        "GET", "/v1/members", "list_members", _READ, "Everybody who is or was a member.",
        looking.list_members, both("Parties and their persons.", looking.PartyView), FormQuery,
    ),
    Endpoint(
        "GET", "/v1/agreements", "list_agreements", _READ, "All agreements in force.",
        looking.list_agreements, both("The newest version of each.", looking.AgreementView),
        FormQuery,
    ),
    Endpoint(
        "GET", "/v1/agreements/{name}", "tell_agreement", _READ, "One agreement.",
        looking.tell_agreement, _one("Its newest version.", looking.AgreementView),
        problems=("not_found",),
    ),
    Endpoint(
        "GET", "/v1/agreements/{name}/canonical", "give_agreement_text", _READ,
        "The canonical form of an agreement, which is what was put into force.",
        looking.give_agreement_text, _one("The canonical form.", dict), problems=("not_found",),
    ),
    Endpoint(
        "GET", "/v1/agreements/{name}/certificate", "give_certificate", _READ,
        "The signed tie-out certificate of a cut-off.", looking.give_certificate,
        _one("The certificate.", dict), looking.CertificateQuery,
        problems=("not_found", "invalid_value"),
    ),
    Endpoint(
        "GET", _TRANSACTION, "tell_transaction", _READ,
        "One transaction: verdict, values, breaks, correcting entries, timeline.",
        looking.tell_transaction, _one("Its story.", looking.Told), looking.TransactionQuery,
        problems=("not_found", "busy"),
    ),
    Endpoint(
        "GET", _TRANSACTION + "/evidence", "give_evidence", _READ,
        "The evidence pack of one transaction, to be verified offline.", looking.give_evidence,
        _one("The pack.", Pack), looking.TransactionQuery, problems=("not_found", "busy"),
    ),
    Endpoint(
        "GET", "/v1/alarms/{alarm}", "tell_alarm", _READ, "One alarm, and who confirmed it.",
        looking.tell_alarm, _one("Its story.", looking.AlarmStory), problems=("not_found", "busy"),
    ),
    Endpoint(
        "GET", "/v1/blocks/{height}", "tell_block", _READ, "One block.", looking.tell_block,
        _one("Its items, and its events counted.", looking.BlockView), problems=("not_found",),
    ),
    Endpoint(
        "GET", "/v1/stream", "listen", _READ, "What happens, as it happens (server-sent events).",
        listening.listen, _one("Messages without end; data is JSON.", None, EVENTS),
        listening.StreamQuery, problems=("busy",),
        headers={"Last-Event-ID": "Go on after this message; what a browser sends by itself."},
    ),
)  # fmt: skip

TELLING: Final = (
    Endpoint(
        "GET", "/v1/notices", "list_notices", _READ, "What was told to people, newest first.",
        telling.list_notices, both("Notices.", telling.NoticeView), telling.NoticeQuery,
    ),
    Endpoint(
        "GET", "/v1/notices/{id}", "tell_notice", _READ,
        "One notice: its message, and every attempt to deliver it.", telling.tell_notice,
        _one("Its story.", telling.NoticeStory), problems=("not_found",),
    ),
    Endpoint(
        "POST", "/v1/notices/{id}/replay", "replay_notice", Permission.OPERATE,
        "Deliver a notice once more, with its id and its bytes.", telling.replay_notice,
        _one("It will be.", telling.Replayed), problems=("not_found",),
    ),
)  # fmt: skip

_WORK_PROBLEMS: Final = (*_FORM_PROBLEMS, "not_found", "busy")
_BREAK: Final = "/v1/breaks/{break}"

WORKING: Final = (
    Endpoint(
        "GET", _BREAK, "tell_break", _READ,
        "One break: what it is, who has it, what was said, which files hang on it.",
        working.tell_break, _one("Its story.", working.BreakStory), problems=("not_found", "busy"),
    ),
    Endpoint(
        "GET", _BREAK + "/history", "tell_break_history", _READ,
        "Everything that people did with a break, the oldest first.", working.tell_history,
        {200: Answer("A line for each change.", {JSON: list[Deed], CSV: None})},
        working.HistoryQuery, problems=("not_found", "busy"),
    ),
    Endpoint(
        "POST", "/v1/work", "change_work", Permission.WORK,
        "Change the work on one break, or on up to 10,000 at once: all of them, or none.",
        working.change_work, _one("How they stand now.", list[Work]),
        body={JSON: working.WorkChange}, problems=_WORK_PROBLEMS,
    ),
    Endpoint(
        "POST", _BREAK + "/comments", "add_comment", Permission.WORK,
        "Say something about a break.", working.add_comment, _made("How it stands now.", Work),
        body={JSON: working.NewComment}, problems=_WORK_PROBLEMS,
    ),
    Endpoint(
        "POST", _BREAK + "/attachments", "attach", Permission.WORK,
        "Hang a file on a break: its content, or the hash of one that stays elsewhere.",
        working.attach, _made("It hangs there.", Attachment), working.AttachQuery,
        {OCTETS: None, JSON: working.FileReference}, _WORK_PROBLEMS,
    ),
    Endpoint(
        "GET", _BREAK + "/attachments/{hash}", "give_attachment", _READ,
        "The content of a file that hangs on a break.", working.give_attachment,
        _one("The file.", None, OCTETS), problems=("not_found", "busy"),
    ),
    Endpoint(
        "GET", "/v1/agreements/{name}/repair", "give_repair", _READ,
        "The records of a role that have open breaks, to be mended and published again.",
        repairing.give_repair,
        {200: Answer("A file that bulk publishing takes.", {CSV: None, NDJSON: None})},
        repairing.RepairQuery, problems=("not_found", "invalid_cursor", "busy"),
    ),
    Endpoint(
        "GET", "/v1/assignees", "list_assignees", _READ, "Who may work on breaks.",
        working.list_assignees, both("By name.", working.Assignee), FormQuery,
    ),
    Endpoint(
        "GET", "/v1/reasons", "list_reasons", _READ, "Reason codes of breaks.",
        working.list_reasons, both("By code.", Reason), FormQuery, problems=("busy",),
    ),
    Endpoint(
        "PUT", "/v1/reasons/{code}", "set_reason", Permission.ADMINISTER,
        "Offer a reason code, explain it anew, or offer it no more.", working.set_reason,
        _one("The reason.", Reason), body={JSON: working.ReasonChange}, problems=_WORK_PROBLEMS,
    ),
    Endpoint(
        "GET", "/v1/filters", "list_filters", _READ,
        "One's own saved filters, and those that others share.", working.list_filters,
        both("By owner and name.", working.FilterView), FormQuery, problems=("busy",),
    ),
    Endpoint(
        "PUT", "/v1/filters/{filter}", "save_filter", _READ,
        "Keep a filter of a list under a name of one's own.", working.save_filter,
        _one("The filter.", working.FilterView), body={JSON: working.FilterChange},
        problems=_WORK_PROBLEMS,
    ),
    Endpoint(
        "DELETE", "/v1/filters/{filter}", "drop_filter", _READ, "Forget a filter of one's own.",
        working.drop_filter, {204: Answer("It is forgotten.", {})}, problems=("not_found", "busy"),
    ),
)  # fmt: skip

PEOPLE: Final = (
    Endpoint(
        "POST", "/v1/setup", "set_up", None, "Make the first administrator, by the one-time link.",
        people.set_up, _made("Signed in.", people.Me), body={JSON: people.SetUp},
        problems=(*_FORM_PROBLEMS, "wrong_credentials"),
    ),
    Endpoint(
        "POST", "/v1/session", "sign_in", None, "Sign in with name and password.", people.sign_in,
        _made("Signed in: a cookie, and the token to be sent in X-CSRF-Token.", people.Me),
        body={JSON: people.SignIn}, problems=(*_FORM_PROBLEMS, "wrong_credentials"),
    ),
    Endpoint(
        "GET", "/v1/session/oidc", "begin_oidc", None,
        "Go to the identity provider and sign in there.", oidc.begin,
        {303: Answer("On to the provider, with a cookie that marks this browser.", {})},
        problems=("not_found", "busy", "provider_failed"),
    ),
    Endpoint(
        "POST", "/v1/session/oidc", "finish_oidc", None,
        "Come back from the identity provider.", oidc.finish,
        _made("Signed in, as with name and password.", people.Me), body={JSON: oidc.Answered},
        problems=(*_FORM_PROBLEMS, "not_found", "sign_in_refused", "busy", "provider_failed"),
    ),
    Endpoint(
        "GET", "/v1/session", "who_am_i", _READ, "Who asks, and what they may do.",
        people.who_am_i, _one("The user.", people.Me),
    ),
    Endpoint(
        "DELETE", "/v1/session", "sign_out", _READ, "Sign out.", people.sign_out,
        {204: Answer("Signed out.", {})},
    ),
    Endpoint(
        "GET", "/v1/users", "list_users", Permission.ADMINISTER, "All users.", people.list_users,
        both("By name.", people.UserView), FormQuery,
    ),
    Endpoint(
        "POST", "/v1/users", "add_user", Permission.ADMINISTER, "Make a user.", people.add_user,
        _made("The user.", people.UserView), body={JSON: people.NewUser},
        problems=(*_FORM_PROBLEMS, "not_found"),
    ),
    Endpoint(
        "PATCH", "/v1/users/{user}", "change_user", Permission.ADMINISTER,
        "Give a user another role or person, shut them out, or let them in again.",
        people.change_user, _one("The user.", people.UserView), body={JSON: people.UserChange},
        problems=(*_FORM_PROBLEMS, "not_found"),
    ),
    Endpoint(
        "GET", "/v1/tokens", "list_tokens", Permission.ADMINISTER, "All tokens.",
        people.list_tokens, both("Without their secrets.", people.TokenView), FormQuery,
    ),
    Endpoint(
        "POST", "/v1/tokens", "add_token", Permission.ADMINISTER, "Make a token.",
        people.add_token, _made("The token; its text is told this once.", people.TokenView),
        body={JSON: people.NewToken},
        problems=(*_FORM_PROBLEMS, "not_found"),
    ),
    Endpoint(
        "DELETE", "/v1/tokens/{token}", "revoke_token", Permission.ADMINISTER, "End a token.",
        people.revoke_token, {204: Answer("It has ended.", {})}, problems=("not_found",),
    ),
    Endpoint(
        "GET", "/v1/audit", "list_audit", Permission.AUDIT,
        "Who did what on this node, and what was refused to whom.", people.list_audit,
        both("Newest first.", people.AuditView), people.AuditQuery,
    ),
)  # fmt: skip

ABOUT: Final = (
    Endpoint(
        "GET", "/livez", "livez", None, "Whether the process answers.", meta.livez,
        _one("It does.", meta.Alive),
    ),
    Endpoint(
        "GET", "/readyz", "readyz", None, "Whether records are taken.", meta.readyz,
        _one("They are.", meta.Ready), problems=("ledger_failed", "busy"),
    ),
    Endpoint(
        "GET", "/metrics", "metrics", _READ, "Counters and gauges for Prometheus.", meta.metrics,
        _one("Prometheus' text format.", None, TEXT),
    ),
    Endpoint(
        "GET", "/setup", "setup_page", None, "The page behind the one-time administrator link.",
        people.setup_page, _one("A page.", None, HTML),
    ),
    Endpoint(
        "GET", "/setup.js", "setup_script", None, "Its script.", meta.setup_script,
        _one("A script.", None, meta.SCRIPT),
    ),
    Endpoint(
        "GET", "/oidc", "oidc_page", None,
        "The page to which the identity provider sends people back.", oidc.page,
        _one("A page.", None, HTML), oidc.PageQuery,
    ),
    Endpoint(
        "GET", "/oidc.js", "oidc_script", None, "Its script.", meta.oidc_script,
        _one("A script.", None, meta.SCRIPT),
    ),
    Endpoint(
        "GET", "/style.css", "style", None, "The style of the node's pages.", meta.style,
        _one("A style sheet.", None, meta.STYLE),
    ),
    Endpoint(
        "GET", "/openapi.json", "openapi", None, "The document of the API (OpenAPI 3.1).",
        meta.openapi, _one("The document.", dict),
    ),
    Endpoint(
        "GET", "/docs", "manual", None, "The manual of the API.", meta.manual,
        _one("A page.", None, HTML),
    ),
    Endpoint(
        "GET", "/docs/problems", "problems", None, "The table of refusals.", meta.problems,
        _one("A page.", None, HTML),
    ),
)  # fmt: skip

LISTING: Final = tuple(endpoint_of(listed) for listed in LISTS)

ENDPOINTS: Final = (*PUBLISHING, *ACTING, *LISTING, *LOOKING, *WORKING, *TELLING, *PEOPLE, *ABOUT)
