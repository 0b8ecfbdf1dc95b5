"""Records what transformers renders of small chat templates, one feature each, for the tests of `runtime`.

    python tests/numerics/chat_templates.py > runtime/src/text/template/rendered.json

The reference is `transformers.utils.chat_template_utils.render_jinja_template`, called as `apply_chat_template` calls
it: with `tools=None`, `documents=None` and the map of special tokens. Each entry is a template and its text, or null
where the reference raises.
"""

import json

from transformers.utils.chat_template_utils import render_jinja_template

MESSAGES = [
    {"role": "system", "content": "Hello wOrld"},
    {"role": "user", "content": "What now?", "score": 1e20, "note": "é\u007f<\"'>", "list": [1.5, 1e-7, "it's", None, True]},
]
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

# What a template is given.
TEMPLATES = [
    "{% if tools is not none %}T{% endif %}",
    "{{ tools is defined }}{{ documents is defined }}{{ tools is none }}{{ documents is none }}",
    "{% if not tools %}none{% endif %}",
    "{% if documents is not none %}D{% endif %}",
    "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}",
    "{{ add_generation_prompt }}",
    "{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %};{% endfor %}",
    "{%- generation -%}  x  {%- endgeneration -%} y",
    "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    # No constants: those would be compiled to names that are none.
    "{% set i = messages[1].score * 1e300 %}{% set n = i - i %}{{ '{:f}|{:05}|{:E}|{:+}|{:%}|{:,}'.format(n, i, -i, n, i, i) }}",
    "{% set i = messages[1].score * 1e300 %}{% set n = i - i %}{{ '%f|%05f|%E|%+g|%s' % (n, i, -i, n, i) }}",
    "{% set i = messages[1].score * 1e300 %}{{ '%d' % i }}",
    # The name of a role does not make a format of it.
    "{{ 'a %s b' }}{# '%s' % x #}{% raw %}{{ '%s' % x }}{% endraw %}",
]

EXPRESSIONS = r"""
true
none
1.0
1e20
-1e16
1e15
1e-5
0.0001
123456789.125
[1, 'a', none, true]
[1e20, 0.1, 1e-7]
[["it's", 'say "so"', 'both \' and "']]
{'k': 1e20, 'b': [true, 'x']}
{'k': true}
(1, 2)
(1,)
messages[1].score
messages[1].list
-7 // 2
-7 % 3
10 / 4
2 ** -1
true + 1
1e20|string
1e20|tojson
1.0|tojson
{'a': [1, {'b': none}], 'c': 'é'}|tojson
{'a': [1, {'b': none}], 'c': 'é'}|tojson(indent=2)
{'a': [], 'b': {}}|tojson(indent=4)
[1, [2]]|tojson(indent=0)
[1, [2]]|tojson(indent='\t')
{'b': 1, 'a': 2}|tojson(sort_keys=true)
{'b': 1, 'a': 2}|tojson(separators=(',', ':'))
{'b': [1, 2]}|tojson(separators=(' ,', ' : '), indent=1)
messages[1].note|tojson(ensure_ascii=true)
messages[1].note|tojson
'𝄞'|tojson(true)
'é'|tojson(true, 2)
undefined_thing|tojson
'ab'.zfill(5)
'-7'.zfill(4)
'aXb'.swapcase()
'a'.center(4)
'ab'.center(5, '*')
'ab'.ljust(4) ~ '|'
'ab'.rjust(4, '.')
'ßX'.casefold()
'abc'.index('c')
'abc'.index('z')
'abcb'.rindex('b')
'abcabc'.find('b', 2)
'abcabc'.rfind('b', 0, 3)
'a-b-c'.rpartition('-')
'a-b-c'.partition('-')
'abc'.rpartition('-')
'a\tb'.expandtabs(4)
'Ab Cd'.istitle()
'Ab cd'.istitle()
'abc'.isidentifier()
'1abc'.isidentifier()
'a b'.isprintable()
'a\tb'.isprintable()
'12'.isdecimal()
'12'.isnumeric()
'AB'.isupper()
'abc'.startswith(('a', 'b'))
'abc'.startswith('b', 1)
'abc'.endswith(('x', 'c'))
'a b c'.split(none, 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.split(sep=',')
'a,b,c'.rsplit(',', maxsplit=1)
'a\nb'.splitlines()
'a\nb'.splitlines(keepends=true)
'abc'.count('')
'aaa'.count('a', 1)
'aaa'.replace('a', 'b', 2)
'é'.isascii()
'x'.join(['a', 'b'])
"they're bill's".title()
'hello wORLD'.capitalize()
'abc'.removeprefix('a').removesuffix('c')
'{:>5}|{:.2f}|{!r}'.format('x', 2.5, 'q')
'{!r:>6}|{!s}|{0!r}'.format('x', 2)
'{!r:>6}|{!s}'.format('x', 2)
'{a!r} {{!r}}'.format(a="it's")
'{0}{1!r}{0}'.format('x', none)
'%s' % 'a'
'%s and %d' % ('a', 3)
'x' + '%s' % messages[0].role|upper + 'y'
'%5.1f|%-4s|' % (2.55, 'ab')
'%(a)s' % {'a': 1}
'%s' % (1,)
'%s' % ('a' ~ 'b')
'100%' ~ '%'
7 % 4
7 % 2.5
-7 % 3
7 % -3
2 * 7 % 4
2 ** 3 % 5
7 % 2 ** 2
17 % 10 % 4
7 % 0
messages[0].role % 1
messages[0].content ~ ': %s' % messages[0].role
('%s-' ~ '%s') % ('a', 'b')
('%s %s')|replace('s', 'd') % (1, 2)
'%s'.upper().lower() % 'x'
['%s'][0] % none
{'f': '%05.1f|%x'}.f % (2.25, 255)
'a %% b' % ()
'%s' % [1, 2]
'%s' % {'a': 1}
'a' % 'b'
'%s %s' % 'a'
(messages|length) % 2 == 0
messages|length % 2
'%s' % ('%s' % 1)
'%d%%' % 50
1 if 5 % 2 else 0
not 4 % 2
'é'.encode()
"it's".encode('utf-8')
'a\nb\\'.encode('ascii')
'é'.encode('ascii')
'é'.encode('ascii', 'replace')
'é'.encode('latin-1', errors='ignore')
'é'.encode().decode()
'é'.encode()|length
['a'.encode()]
'the quick brown fox jumps'|wordwrap(10)
'the quick brown fox jumps'|wordwrap(width=9, wrapstring='|')
'a well-known state-of-the-art thing'|wordwrap(8, wrapstring='|')
'a well-known state-of-the-art thing'|wordwrap(8, wrapstring='|', break_on_hyphens=false)
'averyveryverylongword and more'|wordwrap(6, wrapstring='|')
'averyveryverylongword and more'|wordwrap(6, false, '|')
'one\n\ntwo three'|wordwrap(6, wrapstring='|')
'  lead  and   gaps  '|wordwrap(7, wrapstring='|')
'so--called x-1 a-b-c -x foo-'|wordwrap(4, wrapstring='|')
'abc-defghijk'|wordwrap(6, wrapstring='|')
''|wordwrap(5)
'a b'|wordwrap(0)
[1, 2].index(2)
[1, 2].index(3)
[1, 2, 2].count(2)
['a', 'b', 'a'].index('a', 1)
{'a': 1}.copy()
'a b  c'|wordcount
'abcdef'|truncate(4)
'abc def ghi jkl'|truncate(9)
'abc def ghi jkl'|truncate(9, true)
'abcdefghijklm'|truncate(9, true, '..', 0)
'a b'|title
'x'|center(5) ~ '|'
'x'|center(width=4) ~ '|'
'<b>x</b>  y'|striptags
{'a': 1, 'b': none, 'c': 'x"<'}|xmlattr
{'a': 1}|xmlattr(false)
1234567|filesizeformat
1|filesizeformat
2048|filesizeformat(true)
[1, 2]|random is number
'abc'|reverse
[1, 2, 3]|batch(2)|list
[1, 2, 3, 4]|slice(2)|list
'a<b'|escape
'"a"&\'b\''|e
[1, 2]|join(d='+')
'abc def ghi jkl'|truncate(length=9, end='!')
[{'a': 1}, {'a': 2}]|groupby('a')|list|length
[{'a': 1}]|sum(attribute='a')
joiner(',')() ~ joiner()()
cycler('a', 'b').next()
range(3)|list
dict(a=1)
dict({'a': 1}, b=2)
namespace(a=1).a
messages[0].content.title()
messages[-1]['content'][:4]
1 if false
1 == 1.0
'a' ~ 1 ~ none
[1, 2, 3][::2]
'b' not in 'abc'
{'a': 1, 'b': 2}.items()|list
{'a': 1}.get('b', 2)
'0x1f'|int(base=16)
'z'|int(5)
3|float
'1e20'|float
[3, 1]|max
'abc' is filter
'upper' is filter
messages|map(attribute='role')|join(',')
messages|selectattr('role', 'equalto', 'user')|list|length
messages|rejectattr('role', 'in', ['user'])|map(attribute='role')|first
'a\nb'|indent(2)
'%s-%s'|format('a', 1)
42.55|round(1)
42|round
[1, 2]|join('-')
[1.5, 1e20]|join(' ')
'abc'|list
'abc'|length
{'a': 1}|items|list
{'b': 1, 'a': 2}|dictsort
'hello'|replace('l', 'L', 1)
' x '|trim
'xxaxx'|trim('x')
'x' is string
1 is integer
messages is iterable
messages[0] is mapping
'A'.lower() is lower
'a\nb\n'|indent(2)
'a\n\nb'|indent(2)
'a\n\nb'|indent(2, blank=true)
'a\nb'|indent(2, true)
'a\nb'|indent(width='> ')
'a\nb'|indent(width='> ', first=true)
'a\r\nb\n'|indent
'a\u2028b\u0085c\x0bd'|indent(2)
''|indent(2, true)
'\n'|indent(2)
'%*d|%-*d|%*d' % (6, 42, 6, 42, -6, 42)
'%.*f|%*.*f' % (2, 1.005, 8, 1, 2.25)
'%.*f' % (-1, 2.5)
'%*s' % 'a'
'%*d' % (6,)
'%*d' % ('a', 1)
'%(a)*d' % {'a': 1}
'%05d|%+05d|% d|%-05d|' % (-3, 3, 7, 9)
'%.3d|%6.3d|%06.3d|%+.3d' % (5, -5, 5, 5)
'%x|%X|%#x|%#o|%o|%#08x|%08x' % (255, 255, 255, 8, 8, 255, -255)
'%#.4x' % 10
'%x' % 1.5
'%d' % 2.9
'%d|%i|%u' % (-2.9, true, 1e20)
'%d' % 'a'
'%d' % none
'%e|%E|%.0e|%#.0e|%g|%G|%#g' % (12345.678, 0.00012, 5, 5, 1e-5, 1e20, 1.5)
'%g|%g|%g|%.3g|%.10g|%g' % (100000, 1000000, 123456789, 0.00012345, 1.5, 0)
'%010.3f|%-10.3f|%+.1f|% .1f' % (-2.5, 2.5, 2.5, 2.5)
'%f' % ('inf'|float)
'%06f|%F' % ('-inf'|float, 'inf'|float)
'%.3s|%6.2s|%-6s|%06s|' % ('abcdef', 'abc', 'é', 'x')
'%5s|%-7s|%s' % (none, true, 1.0)
'%r|%8r|%.2r|%a|%r' % ('é', 'a', 'abc', 'é', [1, 'b'])
'%c%c|%3c|%-3c|' % ('a', 98, 'é', 99)
'%c' % 'ab'
'%c' % -1
'%ld %hd %Lf' % (1, 2, 3)
'%q' % 1
'%z' % ()
'%' % ()
'%5' % 1
'%(a' % {'a': 1}
'%(b)s' % {'a': 1}
'%(a)s' % 'x'
'%(a)s' % [1]
'%(a(b))s' % {'a(b)': 1}
'%(a)s and %(b)05.1f%%' % {'a': 'x', 'b': 2.25}
'%(a)s %s' % {'a': 1}
'%s %(a)s' % {'a': 1}
'%5%|%-5%|' % ()
'%s %s' % ('a',)
'%s' % ('a', 'b')
'%s' % undefined_thing
'%d' % undefined_thing
'%+s|% s|%#s' % ('a', 'b', 'c')
'%s' % none
'é%sé' % 'ü'
'%s|%s'|format('a', 2)
'%(a)s'|format(a=1)
'%*d'|format(5, 1)
'%d' % 123456789012345678901234567890
'{:%}|{:.1%}|{:>9.2%}|{:+.0%}|{:%}'.format(0.25, 0.125, 1.5, 2, true)
'{:{w}}|{:>{w}}|{:{f}^{w}.{p}f}'.format('a', 'b', 2.5, w=5, f='*', p=2)
'{:{}}|{:>{}}'.format('a', 4, 'b', 3)
'{0:{1}}'.format('a', 4)
'{0:{}}'.format('a', 4)
'{:{:{}}}'.format(1, 2, 3)
'{:{w}}'.format('a')
'{:{w}}'.format('a', w=none)
'{:,}|{:_}|{:,.2f}|{:012,}|{:08,}|{:_x}|{:#_b}'.format(1234567, 1234567, 1234567.891, 1234, 1234, 65535, 255)
'{:,x}'.format(1)
'{:,s}'.format('a')
'{:05}|{:+d}|{: d}|{:-d}|{:=+6d}|{:*=6d}|{:<05d}|{:x<5d}'.format(3, 3, 3, 3, 3, -3, 3, 3)
'{:05}|{:<5}|{:^5}|{:>5}|{:*^6}|{:.2}|{:5.1}|'.format('a', 'b', 'c', 'é', 'e', 'abc', 'xyz')
'{:=5}'.format('a')
'{:+}'.format('a')
'{:d}'.format('a')
'{:d}'.format(1.5)
'{:.2d}'.format(1)
'{:s}'.format(1)
'{:c}|{:5c}|{:<3c}|{:05c}'.format(97, 98, 99, 100)
'{:+c}'.format(97)
'{:b}|{:o}|{:x}|{:X}|{:#b}|{:#o}|{:#X}|{:#010x}'.format(5, 8, 255, 255, 5, 8, 255, 255)
'{:n}|{:n}'.format(1234, 1234.5)
'{}|{:5}|{:d}|{:s}'.format(true, true, true, 'x')
'{:s}'.format(true)
'{}|{}|{}|{}'.format(none, [1.5, 'a'], {'a': none}, 1e20)
'{:5}'.format(none)
'{:5}'.format([1])
'{}'.format(undefined_thing)
'{:5}'.format(undefined_thing)
'{}|{:}|{:5}|{:.3}|{:.3}|{:.1}|{:010}|{:#}|{:e}|{:G}'.format(1.0, 2.5, 2.5, 123.0, 12.0, 5.0, -2.5, 1e16, 12345.678, 1e-10)
'{:.2f}|{:.0f}|{:#.0f}|{:F}|{:010.2f}|{:+08.1f}|{:,.0f}'.format(2.675, 2.5, 2.5, 1.5, -3.14159, 2.25, 1234567.5)
'{:g}|{:g}|{:#g}|{:.2g}|{:g}'.format(1e5, 1e6, 1.0, 1234, 0.0)
'{:.400f}'.format(0.1)[400:]
'{:z}|{:z.1f}|{:z}|{:z.0f}|{:+z#010.1f}|{:ze}|{:z.1%}|{:zf}'.format(1.5, -0.04, -0.0, -0.4, -0.01, -0.0, -0.0001, 1)
'{:z}'.format(1)
'{:z}'.format('a')
'{:_n}'.format(1)
'{:,n}'.format(1.5)
'{:010_.3e}|{:012,.1f}|{:015,}|{:_.2%}'.format(12345.678, 1234.5, 12345.678, 12.5)
'{:>+8,}|{:^ 9_d}|{:<#10b}|{:0=6}|{:x=+9.2f}'.format(12345, 12345, 5, -3, 2.5)
'{:😀>4}|{:日^5}'.format('a', 1)
'%(a)%' % {'a': 1}
'%-+ #08.2f|%+-6d|%0-6d|%- 6d|%#+x' % (2.5, 3, 4, 5, 6)
'%.0f|%.0f|%.0f|%.1f|%.20f' % (0.5, 1.5, 2.5, 0.25, 0.1)
'%s %s %s' % (1e16, 1e-5, -0.0)
'%5.1s|' % true
'%d %s' % (1e15, 1e15)
'%d' % 1e30
'{:q}'.format(1)
'{:5x5}'.format(1)
'{:.}'.format(1.5)
'{0[a]}|{0.a}|{1[0]}|{0[b][c]}|{k[a]:>3}'.format({'a': 1, 'b': {'c': 2}}, [3], k={'a': 4})
'{0[z]}|{0.z}'.format({'a': 1})
'{!r}|{!s:>4}|{!a}|{0!r}'.format('q', 2, 'é')
'{0!r}|{1!s:>4}|{2!a}|{k!r:>5}'.format('q', 2, 'é', k='z')
'{!x}'.format(1)
'{!}'.format(1)
'{'.format(1)
'}'.format(1)
'{{}}|{{{}}}'.format(1)
'{} {0}'.format(1)
'{0} {}'.format(1)
'{1}'.format(1)
'{a}'.format(b=1)
'{a}'.format(a=none)
'{a:>{b}}'.format_map({'a': 1, 'b': 3})
'{:{{}}'.format(1)
'{:>5}'.format('日本')
'\n\n'|indent(2, true, true)
'a\nb'|indent(first=true, blank=false, width=1)
'\u2028 a \u0085\x1c\x1f'.strip()
' \u00a0\u3000a'.lstrip()
'\u200ba\u200b'.strip()
'a\x1d'.rstrip() ~ '|'
'\ufeffa'.strip()|length
'\x1ca b\x1e'.split()
'a\u2028b\u0085c\x0bd\x0ce\x1cf\x1dg\x1eh\r\ni\rj\n'.splitlines()
'a\u2028b\r\nc'.splitlines(true)|join('|')
'%d|%i' % (-3.7, 2)
'a\u2029b'.splitlines()
'a\n\n'.splitlines()
''.splitlines()
' a '|trim ~ '|'
'\u2028a\x1f'|trim
"they're bill's friends"|title
"foo-bar (baz) [q] {r} <s>"|title
'ǆabc ß éa'|title
'ǆabc ß éa'.title()
'ǆabc'.capitalize()
'ßa'|capitalize
'ŉa'.title()
'HELLO wORLD 3rd'|title
'3rd place'.title()
'a_b'.title()
'İstanbul'.title()
'ΑΣ ΣΑΣ'.lower()
'abc'.translate({97: 'x', 98: none, 99: 120})
'abc'.translate({'a': 'x'})
'abc'.translate('xyz')
'abc'.translate([1, 2])
'abc'.maketrans('ab', 'xy')
'abc'.translate('abc'.maketrans('ab', 'xy'))
'abc'.translate('abc'.maketrans('ab', 'xy', 'c'))
'abc'.translate('abc'.maketrans({'a': 'x', 98: none}))
'{a}-{b}'.format_map({'a': 1, 'b': 'x'})
'{a}'.format_map({})
'{a[0]}'.format_map({'a': [1]})
'{a.b}'.format_map({'a': {'b': 1}})
'{a!r:>5}'.format_map({'a': 'x'})
'{}'.format_map({})
'{0}'.format_map({'0': 1})
'{a[0]} {b[k]}'.format(a=[1], b={'k': 2})
'%r' % 'a'
'%r' % ('é\n',)
'%r and %s' % ("it's", none)
'%r' % 1.0
'%r' % ([1, 'a'],)
'%a' % 'é'
'%10r|' % 'a'
'%-10r|' % ('a',)
'%.2r' % 'abc'
'%(a)r' % {'a': 'x'}
'%c' % 'a'
'%c' % 97
'%i' % 3.7
'%+d' % 3
'%x' % 255
'%X' % 255
'%o' % 8
'%e' % 12345.678
'%g' % 0.0001
'%g' % 1e20
'%#x' % 255
'%5%' % ()
'%s' % ()
'%s%s' % ('a',)
'%d' % 'a'
'%s' % ('a', 'b')
'%.3s' % 'abcdef'
'%05d' % (-3,)
'% d' % 3
'%u' % 3
'%z' % 1
'%' % 1
'%%' % ()
'%r'|format('a')
'%r %s'|format('a', true)
'a,b'.split('')
'a,b'.rsplit('')
''.split()
''.split(',')
'a'.partition('')
'a'.rpartition('')
'abc'.replace('', '-')
'abc'.find('')
'a  b '.split(' ')
' a b '.split(none)
'a b c'.rsplit(none, 1)
'a b c'.split(maxsplit=1)
' a b  c '.split(maxsplit=1)
' a b  c '.rsplit(maxsplit=1)
'abc'|replace('', '-')
'a\x85b'.isspace()
'\u2028'.isspace()
'a b'.expandtabs()
'x'.join('abc')
'ab' * 3
'abc'[::-1]
'a\nb'|wordwrap(10)
'a\u2028b c'|wordwrap(3)
'É'|lower
'ß'|upper
'ﬁ'.upper()
'ﬁ'.capitalize()
'ǅ'.swapcase()
'a b'|urlencode
'{:d}'.format(3)
'{:,}'.format(1234567)
'{:05.1f}'.format(2.25)
'{:^7}|'.format('ab')
'{:x}'.format(255)
'{:b}'.format(5)
'{:e}'.format(12345.6)
'{:+}'.format(3)
'{:s}'.format('a')
'{:d}'.format('a')
'{'.format()
'}'.format()
'{a}'.format()
'{0} {}'.format(1)
'{!s:5}|'.format('a')
'{!x}'.format('a')
'{:g}'.format(1e20)
'{:5}|'.format(true)
'{}'.format(none)
'{}'.format(1.0)
'{}'.format([1, 'a'])
""".strip("\n").split("\n")

TEMPLATES += ["{{ %s }}" % expression for expression in EXPRESSIONS]
TEMPLATES += [
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}{{ c.items }}{{ c.pos }}",
    "{% set f = '%s!' %}{{ f % 'x' }}{% if f % 'x' == 'x!' %}y{% endif %}{% set g = f % (1,) %}{{ g }}",
    "{% for m in messages %}{{ loop.index0 % 2 }}{% if loop.index % 2 == 0 %}e{% endif %}{% endfor %}",
    "{% for m in messages if m.content|length % 2 == 1 %}{{ m.role }}{% else %}none{% endfor %}",
    "{% set j = joiner(', ') %}{% for x in [1, 2, 3] %}{{ j() }}{{ x }}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in [1, 2] %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}",
    "{% macro m(a, b='z') %}{{ a }}{{ b }}{% endmacro %}{{ m('x') }}{{ m('x', b='y') }}",
    "{% set x %}a{% endset %}{{ x ~ '%s' % x }}",
    "{% call(x) m() %}{% endcall %}",
]


def render(template):
    try:
        texts, _ = render_jinja_template(
            [MESSAGES], tools=None, documents=None, chat_template=template, add_generation_prompt=True, **SPECIAL
        )
        return texts[0]
    except Exception:
        return None


rows = ",\n".join(json.dumps([template, render(template)], ensure_ascii=False) for template in TEMPLATES)
head = ",\n".join(f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in [("messages", MESSAGES), ("special", SPECIAL)])
print(f'{{{head},\n"rendered": [\n{rows}\n]}}')
