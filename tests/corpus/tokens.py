"""Makes tokens.tsv: 1,000 texts in 12 scripts and their tokens as tiktoken counts them.

pip install tiktoken, then: python tests/corpus/tokens.py > tests/corpus/tokens.tsv
"""
import random

import tiktoken

WORDS = {
    "latin": "the pump failed at night and nobody saw it until morning came Überraschung façade naïve résumé jalapeño",
    "cyrillic": "насос отказал ночью и никто этого не заметил до утра подъезд ёлка объявление",
    "greek": "η αντλία σταμάτησε τη νύχτα και κανείς δεν το πρόσεξε μέχρι το πρωί",
    "arabic": "توقفت المضخة ليلا ولم يلاحظ أحد ذلك حتى الصباح شكرا جزيلا",
    "hebrew": "המשאבה נעצרה בלילה ואיש לא שם לב עד הבוקר תודה רבה",
    "devanagari": "पंप रात में बंद हो गया और सुबह तक किसी ने ध्यान नहीं दिया धन्यवाद",
    "bengali": "পাম্প রাতে বন্ধ হয়ে গেল এবং সকাল পর্যন্ত কেউ লক্ষ্য করেনি ধন্যবাদ",
    "tamil": "பம்ப் இரவில் நின்றுவிட்டது காலை வரை யாரும் கவனிக்கவில்லை நன்றி",
    "thai": "ปั๊ม หยุด ทำงาน ตอนกลางคืน และ ไม่มีใคร สังเกต จนถึง เช้า",
    "hangul": "펌프가 밤에 멈췄고 아침까지 아무도 알아차리지 못했습니다 감사합니다",
    "kana": "ポンプ が よる に とまり あさ まで だれ も きづき ません でした ありがとう",
    "han": "水泵 夜里 停了 到 早上 都 没有人 发现 谢谢 備用 供應商 接手 了",
}
MARKS = [" ", " ", " ", ", ", ". ", "! ", ": ", " – ", "\\n", "  ", " 42 ", " 3.14159 ", " {\"a\":[1,2]} ", "🙂 ", "e\u0301 ", "\u200d"]

random.seed(12)
encodings = [tiktoken.get_encoding(name) for name in ("o200k_base", "cl100k_base")]
scripts = list(WORDS)
for number in range(1000):
    words = WORDS[scripts[number % len(scripts)]].split()
    pieces = []
    for _ in range(random.randint(1, 14)):
        pieces += [random.choice(words), random.choice(MARKS)]
    text = "".join(pieces).replace("\t", " ")
    counts = [len(encoding.encode(text.replace("\\n", "\n"), disallowed_special=())) for encoding in encodings]
    print(*counts, text, sep="\t")
