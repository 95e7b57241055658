"""Common first names, Russian ones and English ones, by which a full name is found in a text.

Left out are names that are often something else: Вера, Роман, Слава, Grace, Mark, Victoria.
"""

from data.words import word_set

RUSSIAN_FIRST_NAMES = word_set(
    """
    александр алексей анатолий андрей антон аркадий арсений артем артур богдан борис вадим
    валентин валерий василий виктор виталий владимир владислав всеволод вячеслав геннадий георгий
    герман глеб григорий данил данила даниил денис дмитрий евгений егор иван игнат игорь илья
    кирилл константин леонид макар максим марат матвей михаил никита николай олег павел петр
    платон родион руслан рустам савелий семен сергей станислав степан тимофей тимур федор филипп
    эдуард эльдар юрий ярослав айрат ильдар ринат арсен ашот гарик давид
    александра алена алина алиса алла алсу анастасия ангелина анжелика анна антонина арина
    валентина валерия варвара василиса вероника виктория виолетта галина дарья диана динара ева
    евгения екатерина елена елизавета жанна злата зинаида зоя инна инесса ирина камилла карина
    кира клавдия кристина ксения лариса лидия лилия людмила маргарита марина мария мадина милана
    нелли нина оксана олеся ольга полина раиса регина светлана снежана софия софья таисия тамара
    татьяна ульяна фаина эвелина элеонора эльвира эльмира эмилия юлия яна ярослава
    наталья наталия айгуль гульнара лейла аида римма
    """
)
ENGLISH_FIRST_NAMES = word_set(
    """
    aaron adam adrian alan albert alex alexander alexandra alice alison amanda amelia amy andrea
    andrew angela ann anna anne anthony antonio arthur barbara benjamin bernard beth betty brandon
    brenda brian bruce carl carlos carol caroline catherine charles christian christina christine
    christopher claire clara claudia colin craig cynthia daniel david deborah debra dennis derek
    diana diane donald donna dorothy douglas edward eleanor elena elizabeth ella emily emma eric
    erica ethan eugene evelyn fiona francis frances gabriel gareth gary geoffrey george gerald
    gillian gordon graham gregory hannah harold harry heather helen henry howard hugh ian isaac
    isabella ivan jacob james jane janet jason jean jeffrey jennifer jeremy jessica joan joanna
    joel john jonathan jose joseph joshua juan judith julia julian julie karen katherine kathleen
    keith kelly kenneth kevin kimberly larry laura lauren laurence lawrence leonard leslie linda
    lisa liam louis louise lucas lucy luis luke margaret maria marie martha martin mary matthew
    megan melissa michael michelle miguel mohammed muhammad nancy natalie nathan neil nicholas
    nicola nicole noah nora oliver olivia oscar pamela patricia patrick paul paula peter philip
    priya rachel ralph raymond rebecca richard robert robin roger ronald roy russell ruth ryan
    samantha samuel sandra sara sarah scott sean sharon shirley simon sofia sophia sophie
    stephanie stephen steven stuart susan teresa thomas timothy tina tom tracy vincent walter
    wendy william zoe
    alexei alexey andrey anastasia dmitry ekaterina igor irina maxim mikhail natalia nikolai olga
    pavel sergei sergey svetlana tatiana vladimir yulia yuri
    """
)
