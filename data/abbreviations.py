"""Russian and English abbreviations, folded: in small letters, without ё and the last full stop."""

from data.words import word_set

# A name, or whatever it is short for, always follows: their full stop ends no sentence.
BEFORE_NAME = word_set(
    """
    mr mrs ms mx dr prof st messrs rev hon gen capt lt sgt col gov sen rep pres e.g i.e viz vs cf
    approx incl excl
    проф доц акад им ул пер пл просп пр-т наб бул б-р ш пос дер обл г гор св тов гос зав зам нач
    дир чл-корр чл.-корр канд докт к.т.н д.т.н к.э.н д.э.н к.ф.н д.ф.н т.е т.к т.н и.о в.т.ч см ср
    напр прибл ок
    """
)

# A number (or a letter, or a Roman numeral) follows; else they are words of their own.
BEFORE_NUMBER = word_set(
    """
    no nos vol vols fig figs eq ch sec secs art para p pp ext tel rm rd apt ed bldg
    п пп ст ч гл стр кв каб ауд корп эт оф ком д т тт рис табл тел факс прим с доп вн
    """
)

# A small letter or a digit behind them goes on, a capital begins a sentence.
ABBREVIATIONS = word_set(
    """
    etc inc ltd co corp jr sr a.m p.m am pm hr hrs min mins ph.d m.sc b.sc dept univ est
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun
    г гг в вв т.д т.п т.ч др пр руб р коп тыс млн млрд долл мин сек ч час мес нед сут л кг км м см
    студ препод преп каф фак ун-т ин-т уч кв эл адр внутр доб моб янв фев мар апр июн июл авг сен
    сент окт ноя нояб дек пн вт ср чт пт сб вс изд ред сб у.е н.э экз зач сем дисц сокр зач.ед
    ак.ч акад.ч макс мин обяз осн
    """
)

WEEKDAYS_AND_MONTHS = word_set(
    """
    monday tuesday wednesday thursday friday saturday sunday january february march april may june
    july august september october november december
    """
)

# Words that begin sentences and are no surname: "Room B. It is open."
STARTERS = word_set(
    """
    a an the it its he she they we you i this that these those there here if when while for from in
    on at to by with and but or so no yes please not do does is are was bring ask see go use open
    он она оно они мы вы ты я это этот эта эти там тут здесь если когда для от из в во на по к ко с
    со у о об и а но или да нет не при за до после срок чтобы также все его ее их пожалуйста
    """
)

# The beginnings of words behind which a capital names a thing.
LETTER_OF = (
    *("room", "building", "block", "plan", "option", "section", "part", "desk", "wing", "hall"),
    *("gate", "class", "grade", "group", "level", "type", "vitamin", "point", "appendix", "table"),
    *("floor", "figure", "entrance", "door", "zone", "form", "platform", "line", "side"),
    *("корпус", "кабинет", "аудитори", "вариант", "пункт", "групп", "блок", "секци", "категори"),
    *("класс", "приложени", "част", "тип", "форм", "зал", "подъезд", "строени", "литер", "этаж"),
    *("вход", "зон", "уров", "план", "двер", "ауд.", "корп.", "каб.", "лит."),
)
