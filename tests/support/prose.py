"""Answers as models write them in Chinese, Japanese, Korean and Malay, put together at random."""

from __future__ import annotations

from itertools import pairwise
from random import Random

SENTENCES = {
    "Chinese": """\
请先备份数据库，再执行“迁移”脚本；否则，一旦失败（例如磁盘已满），数据就无法恢复……
《三体》的作者刘慈欣说：“给岁月以文明，而不是给文明以岁月。”
价格是￥1,299.00（含税），比去年便宜约15％，但运费另计￥25。
室温应保持在20～25℃之间，湿度不超过60%；超出时，请立即通知管理员！
他问：‘你真的要去吗？’——她没有回答，只是点了点头。
【注意】该参数（默认值：3）只对GET请求有效，POST请求（包括重试）不受影响。
使用Python 3.11时,请注意:字典的顺序是插入的顺序.旧版本不保证这一点!
第一步、打开终端；第二步、输入ls -la；第三步、查看输出（见图2）。
约翰·史密斯·琼斯（John Smith Jones）于1998年加入该项目，负责「核心」模块。
错误码E1024表示“连接超时”，其原因可能是：防火墙、代理、或DNS解析失败。
据统计，超过80％的用户只使用其中20％的功能——这就是所谓的“帕累托法则”。
你可以写成〈小标题〉、『引文』、〔注释〕或［选项］，它们都是合法的。
好的👍！我已经把文件🇨🇳🇲🇾发给👨‍👩‍👧一家了，请查收📧。
嗯……让我想想——大概需要三～五天吧？不过，如果赶时间（比如今天就要），也可以加急。
""",
    "Japanese": """\
まず、「設定」ボタンを押してから、『保存』を選んでください。
ちょっと待って！データベースのバックアップは、きちんと取りましたか？
価格は￥3,980（税込）で、送料は全国一律￥550です。ポイントは１０％還元！
コーヒーメーカーのフィルター・カートリッジは、３か月ごとに交換しましょう。
人々は時々、同じ間違いを繰り返す――いや、それこそが学びなのだろう……。
気温が３５℃を超える日は、こまめに水分をとって、ゆっくり休んでください。
ｶﾞｿﾘﾝｽﾀﾝﾄﾞで「ﾚｷﾞｭﾗｰ満ﾀﾝ｡」と言った､それだけです｡
彼は（少し迷ってから）言った。「じゃあ、行こっか。」
ファイル名に〈〉や【】を使うと、エラーになることがあります（Windowsの場合）。
API・SDK・CLIのどれを使っても、結果は同じになるはずです。
ウェブサイトのＵＲＬは、ｈｔｔｐｓで始まるものだけを開いてください！！
第１章〜第３章では、キャッシュとセッションのちがいをくわしく説明します。
""",
    "Korean": """\
데이터베이스를 먼저 백업하세요. 그렇지 않으면, 실패했을 때(예: 디스크 부족) 복구할 수 없습니다.
"정말로 갈 거예요?" 그가 물었다. 그녀는 고개만 끄덕였다…
가격은 ₩12,900(부가세 포함)이며, 배송비는 3,000원입니다!
이 매개변수(기본값: 3)는 GET 요청에만 적용됩니다; POST는 제외됩니다.
전체 사용자의 80%가 기능의 20%만 사용합니다. 이것을 '파레토 법칙'이라고 합니다.
《훈민정음》은 세종대왕이 1443년에 만든 「문자」에 관한 책이다.
실내 온도는 20~25℃로 유지하고, 습도는 60%를 넘지 않게 하십시오.
오류 코드 E1024는 “연결 시간 초과”를 뜻합니다: 방화벽, 프록시, DNS를 확인하세요.
좋아요👍! 사진🇰🇷을 가족👨‍👩‍👧에게 보냈습니다.
파이썬3.11에서는 사전의 순서가 보장됩니다(삽입 순서).
""",
    "Malay": """\
Sila buat sandaran dahulu, kemudian jalankan skrip; jika tidak, data mungkin hilang!
Harganya RM1,299.00 (termasuk cukai), iaitu 15% lebih murah daripada tahun lepas.
Perkataan "kredit" bermaksud 额度（即余额）dalam bahasa Cina, dan クレジット dalam bahasa Jepun.
Kod ralat E1024 bermakna 'sambungan tamat masa': semak tembok api, proksi, atau DNS.
Suhu bilik perlu kekal antara 20–25 °C; kelembapan tidak melebihi 60 %.
Kanak-kanak itu bermain layang-layang… tetapi hujan turun dengan lebat.
Baiklah 👍! Saya sudah hantar gambar 🇲🇾 kepada keluarga 👨‍👩‍👧 saya.
Gunakan pilihan -m untuk memilih model (contohnya: deepseek-chat, qwen-max).
""",
}


def paragraphs(language: str, count: int, seed: int = 0) -> list[str]:
    """Paragraphs of two to nine sentences, in an order of their own."""
    random = Random(f"{language}{seed}")
    space = " " if language in {"Korean", "Malay"} else ""
    sentences = SENTENCES[language].splitlines()
    return [space.join(random.choices(sentences, k=random.randint(2, 9))) for _ in range(count)]


NOT_FIRST = frozenset(
    "、。，．！？；：）］｝〕〉》」』】〗”’…‥—―～〜％℃‰々ーっゃゅょぁぃぅぇぉッャュョァィゥェォヶ・､｡｣ﾞﾟｰｯｬｭｮ·"
)
NOT_LAST = frozenset("（［｛〔〈《「『【〖“‘￥＄￡")
NOT_FIRST_AFTER_WIDE = frozenset(",.!?)]}%:;")


def wrong_breaks(lines: list[str]) -> list[str]:
    """The lines of one paragraph that begin or end as none may."""
    found = []
    for above, below in pairwise(lines):
        after_wide = above[-1:] > "\u2e7f" and below[:1] in NOT_FIRST_AFTER_WIDE
        flag = "\U0001f1e6" <= below[:1] <= "\U0001f1ff" and above[-1:] == "\U0001f1e8"
        joined = below[:1] in {"\u200d", "\ufe0f"} or above[-1:] == "\u200d" or flag
        if below[:1] in NOT_FIRST or above[-1:] in NOT_LAST or after_wide or joined:
            found.append(f"{above}|{below}")
    return found
