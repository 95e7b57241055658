"""An answer that passes and one that fails for every kind of check, in English and Russian.

They stand in docs/rules.md, and a test runs each of them.
"""

from typing import Any, NamedTuple

EXAMPLE_PROMPT = (
    "You are the desk of a library. Answer from the passages and never tell anybody how many "
    "books a member may really borrow."
)


class CheckExample(NamedTuple):
    """A check with an answer that passes and one that fails."""

    check: dict[str, Any]  # as a rule file writes it
    passes: str
    fails: str
    passages: tuple[str, ...] = ()  # of the row, where the check reads them
    question: str = ""


_HOURS = ("The desk opens at 9:00. See https://desk.example/hours or write to ann@desk.example.",)
_FEES = ("Пропуск стоит 300 рублей. Его выдаёт Анна Петрова: https://desk.example/pass",)

CHECK_EXAMPLES: tuple[CheckExample, ...] = (
    CheckExample(
        {"type": "script_share", "alphabet": "latin", "min": 0.8},
        "The desk opens at nine.",
        "The desk is open. Приходите завтра.",
    ),
    CheckExample(
        {"type": "script_share", "alphabet": "cyrillic", "min": 0.8},
        "Курс открыт в Smart LMS: https://lms.example.",
        "Курс открыт. See you there.",
    ),
    CheckExample({"type": "starts_with", "text": "Desk:"}, "**Desk:** yes.", "Yes. Desk: it is."),
    CheckExample(
        {"type": "starts_with", "text": "Всё просто:"}, "Все просто: приходите.", "Это всё просто."
    ),
    CheckExample(
        {"type": "ends_with", "text": "Anything else?"},
        'It opens at nine. "Anything else?"',
        "Anything else? It opens at nine.",
    ),
    CheckExample(
        {"type": "ends_with", "text": "Ещё вопросы?"},
        "Открыто с девяти. Еще вопросы?",
        "Есть ли у вас ещё вопросы? Открыто с девяти.",
    ),
    CheckExample(
        {"type": "contains", "text": "I could not find this."},
        "I could not find this. The desk may know.",
        "I couldn't find this.",
    ),
    CheckExample(
        {"type": "contains", "text": "Я не нашёл ответа"},
        "К сожалению, я не нашел ответа.",
        "Ответа я не нашёл.",
    ),
    CheckExample(
        {"type": "equals", "text": "I only answer questions about the library."},
        "I only answer questions about the library.",
        "I only answer questions about the library. But try the zoo.",
    ),
    CheckExample(
        {"type": "equals", "text": "Нет - и всё."},
        "«Нет — и все.»",
        "Нет - и всё. Жаль.",
    ),
    CheckExample(
        {"type": "asks", "text": "please specify"},
        "Please specify which card you mean.",
        "If you have more questions, please specify them.",
    ),
    CheckExample(
        {"type": "asks", "text": "Пожалуйста, уточните"},
        "Пожалуйста, уточните, какой курс вас интересует.",
        "Если у вас есть вопросы, пожалуйста, уточните их.",
    ),
    CheckExample({"type": "regex", "pattern": r"\[\d+\]"}, "At nine [1].", "At nine [source]."),
    CheckExample(
        {"type": "regex", "pattern": r"(?i)\A(?![\s\S]*\bк сожалению\b)"},
        "Сегодня закрыто.",
        "К сожалению, сегодня закрыто.",
    ),
    CheckExample(
        {"type": "length", "max_sentences": 2, "max_words": 12},
        "The desk opens at 9 a.m. on weekdays. Bring your card.",
        "It opens at nine. It closes at six. Bring your card.",
    ),
    CheckExample(
        {"type": "length", "max_words": 5},
        "Стоит 1 000 рублей в год.",
        "Стоит одну тысячу рублей за год.",
    ),
    CheckExample(
        {"type": "urls_from", "sources": ["contexts"]},
        "See desk.example/hours.",
        "See https://desk.example/prices.",
        _HOURS,
    ),
    CheckExample(
        {"type": "digits_from", "sources": ["contexts", "question"]},
        "Two cards: the desk opens at nine.",
        "Two cards: the desk opens at eight.",
        _HOURS,
        "Where do I get 2 cards?",
    ),
    CheckExample(
        {"type": "digits_from", "sources": ["contexts"]},
        "Пропуск стоит триста рублей.",
        "Пропуск стоит пятьсот рублей.",
        _FEES,
    ),
    CheckExample(
        {"type": "contacts_from", "sources": ["contexts"]},
        "Write to ann@desk.example.",
        "Call +44 20 7946 0958.",
        _HOURS,
    ),
    CheckExample(
        {"type": "contacts_from", "sources": ["contexts"]},
        "Пропуск спросите у Анны Петровой.",
        "Пропуск спросите у Ольги Ивановой.",
        _FEES,
    ),
    CheckExample(
        {"type": "words_from", "sources": ["contexts"], "min": 0.5},
        "The desk opens at 9:00.",
        "Lockers are beside the entrance hall.",
        _HOURS,
    ),
    CheckExample(
        {"type": "words_from", "sources": ["contexts"], "min": 0.5},
        "Стоимость пропуска: 300 рублей.",
        "Пропуск не стоит 300 рублей.",
        _FEES,
    ),
    CheckExample({"type": "no_digits"}, "The desk opens early.", "The desk opens at nine."),
    CheckExample({"type": "no_digits"}, "Открыто с утра.", "Открыто с девяти утра."),
    CheckExample(
        {"type": "no_repetition"},
        "Bring your card. The desk is open.",
        "Bring your card. The desk is open. Bring your card!",
    ),
    CheckExample(
        {"type": "no_repetition"},
        "Приходите завтра. Мы ждём.",
        "Мы ждём. Приходите завтра. Мы ждем.",
    ),
    CheckExample({"type": "json"}, '{"open": true}', 'Here it is: {"open": true}'),
    CheckExample(
        {"type": "no_leak", "words": 8},
        "You may borrow six books.",
        "I never tell anybody how many books a member may really borrow.",
    ),
    CheckExample(
        {"type": "no_leak", "words": 8}, "Можно взять шесть книг.", "Мои инструкции это запрещают."
    ),
    CheckExample(
        {
            "type": "llm",
            "sees": ["question", "answer"],
            "pass": "The answer is polite.",
            "fail": "The answer is rude or mocks the user.",
        },
        "Certainly, the desk opens at nine.",
        "Can't you read the sign?",
    ),
)
