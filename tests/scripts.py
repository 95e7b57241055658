"""Short texts in seventeen scripts, for tests of whatever counts or compares words."""

from typing import NamedTuple


class Script(NamedTuple):
    """A passage of one sentence, with spellings that are the same and words that are not."""

    text: str
    words: int  # of the text, counted by hand
    same: str  # the question of the text in another spelling
    other: str  # a different question: one letter, one mark or one tone apart
    elsewhere: str  # a sentence that shares no word with the text


SCRIPTS = {
    "latin": Script(
        "The naïve café opens at 9.",
        6,
        "the NAÏVE café opens — at 9",
        "The naïve cafe opens at 9.",
        "Students bring their cards.",
    ),
    "vietnamese": Script(
        "Thư viện mở cửa lúc mấy giờ?",
        7,
        "THƯ VIỆN, mở cửa lúc mấy giờ",
        "Thư viện mở cửa lúc máy giờ?",
        "Sinh viên mang thẻ.",
    ),
    "turkish": Script(
        "İstanbul'da okul açık mı?",
        5,
        "istanbul da okul açık mı",
        "Istanbul'da okul acık mı?",
        "Öğrenciler kart getirir.",
    ),
    "cyrillic": Script(
        "Где за́мок и мой зонт?",
        5,
        "где замок и мои\u0306 зонт",
        "Где замок и мои зонт?",
        "Студенты приносят пропуск.",
    ),
    "greek": Script(
        "Πότε ανοίγει ο χώρος;",
        4,
        "ΠΌΤΕ ΑΝΟΊΓΕΙ Ο ΧΏΡΟΣ",
        "Ποτέ ανοίγει ο χώρος;",
        "Φοιτητές φέρνουν κάρτες.",
    ),
    "arabic": Script(
        "متى تُفْتَحُ المَكْتَبَةُ؟",
        3,
        "متى تفتح المكتبـــة",
        "متى تفتح المكتبات؟",
        "يحمل الطلاب بطاقات.",
    ),
    "persian": Script(
        "کتابخانه کی باز می‌شود؟",
        4,
        "کتابخانه کی باز میشود",
        "کتابخانه کی باز نمی‌شود؟",
        "دانشجویان کارت دارند.",
    ),
    "hebrew": Script(
        "מָתַי נִפְתַּחַת הַסִּפְרִיָּה?",
        3,
        "מתי נפתחת הספריה",
        "מתי נסגרת הספריה?",
        "סטודנטים מביאים כרטיס.",
    ),
    "devanagari": Script(
        "पुल कहाँ है?",
        3,
        "पुल, कहाँ है",
        "पूल कहाँ है?",
        "छात्र कार्ड लाते हैं।",
    ),
    "bengali": Script(
        "বই কোথায় আছে?",
        3,
        "বই — কোথায\u09bc আছে",
        "বউ কোথায় আছে?",
        "ছাত্ররা কার্ড আনে।",
    ),
    "tamil": Script(
        "நூலகம் எங்கே உள்ளது?",
        3,
        "நூலகம் எங்கே; உள்ளது",
        "நூலகம் எங்கு உள்ளது?",
        "மாணவர்கள் அட்டை கொண்டு வருகிறார்கள்.",
    ),
    "thai": Script(
        "น้ำอยู่ที่ไหน",
        7,
        "น้ำอยู่ที่ไหน?",
        "น้าอยู่ที่ไหน",
        "บัตรสด",
    ),
    "khmer": Script(
        "ទឹកនៅឯណា",
        5,
        "ទឹក នៅ ឯណា?",
        "ទុកនៅឯណា",
        "ប្រស",
    ),
    "burmese": Script(
        "ရေဘယ်မှာလဲ",
        5,
        "ရေ ဘယ်မှာလဲ။",
        "ရာဘယ်မှာလဲ",
        "ကတ်သပ",
    ),
    "chinese": Script(
        "图书馆几点开门？", 7, "图书馆，几点开门?", "图书馆几点关门？", "学生带卡来上课。"
    ),
    "japanese": Script(
        "図書館はガラス張りですか。",
        12,
        "図書館は、カ\u3099ラス張りですか",
        "図書館はカラス張りですか。",
        "学生証を持参ください。",
    ),
    "korean": Script(
        "도서관은 언제 여나요?",
        3,
        "도서관은\u200b 언제 여나요",
        "도서관은 언제 쉬나요?",
        "학생들이 카드를 가져온다.",
    ),
}
