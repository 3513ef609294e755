using System.IO.Compression;
using System.Text;
using NativeDiffusion.Model.Clip;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Clip;

[TestFixture]
public sealed class ClipTokenizerTests
{
    // Ids of the merges: 512, 513, ... in this order.
    private const string Merges = "#version: 0.2\nl o\nlo w</w>\ne r</w>\nn e\nw er</w>\nne wer</w>\na b\nab a\nb a\nt h\nth e</w>\n";

    private readonly List<string> _files = [];
    private ClipTokenizer _tokenizer = null!;

    [OneTimeSetUp]
    public void Load() => _tokenizer = ClipTokenizer.Load(Write(Encoding.UTF8.GetBytes(Merges)));

    [OneTimeTearDown]
    public void Delete() => _files.ForEach(File.Delete);

    [TestCase("low", new[] { 513 })]
    [TestCase("newer", new[] { 517 }, Description = "e r</w> has a lower rank than n e, and w er</w> than ne wer</w>")]
    [TestCase("lower", new[] { 512, 516 })]
    [TestCase("the", new[] { 522 })]
    // Every occurrence of the best pair is merged before the next pair is looked for: a b a b a c becomes ab ab a c, and only then ab aba c.
    [TestCase("abab", new[] { 519, 65 + 256 })]
    [TestCase("ababac", new[] { 518, 519, 66 + 256 })]
    [TestCase("aba", new[] { 518, 64 + 256 })]
    public void Pairs_of_the_lowest_rank_are_merged_first_wherever_they_occur(string text, int[] ids) =>
        Assert.That(_tokenizer.Encode(text), Is.EqualTo(ids));

    [Test]
    public void Letters_digits_other_characters_and_endings_are_words()
    {
        int Last(char c) => c - 33 + 256;
        Assert.That(_tokenizer.Encode("a"), Is.EqualTo(new[] { 320 }), "the id of 'a' in every vocabulary");
        Assert.That(_tokenizer.Encode("42"), Is.EqualTo(new[] { Last('4'), Last('2') }), "single digits");
        Assert.That(_tokenizer.Encode("LOW  low\n\tlow"), Is.EqualTo(new[] { 513, 513, 513 }), "case and white space");
        Assert.That(_tokenizer.Encode("low's"), Is.EqualTo(new[] { 513, '\'' - 33, Last('s') }));
        Assert.That(_tokenizer.Encode("!?x"), Is.EqualTo(new[] { '!' - 33, Last('?'), Last('x') }));
        Assert.That(_tokenizer.Encode("we'll"), Is.EqualTo(new[] { 'w' - 33, Last('e'), '\'' - 33, 'l' - 33, Last('l') }));
        // Within a run of other characters an apostrophe begins no ending.
        Assert.That(_tokenizer.Encode("!'s"), Is.EqualTo(new[] { '!' - 33, Last('\''), Last('s') }));
        Assert.That(_tokenizer.Encode("<|startoftext|>low<|endoftext|>"), Is.EqualTo(new[] { _tokenizer.Start, 513, _tokenizer.End }));
        Assert.That(_tokenizer.Encode("  "), Is.Empty);
    }

    [Test]
    public void Bytes_stand_as_printable_characters_first_then_the_others()
    {
        // e acute is C3 A9: the symbols of 0xA1..0xAC begin at 94, those of 0xAE.. at 106, and the last byte of a word adds 256.
        Assert.That(_tokenizer.Encode("\u00e9"), Is.EqualTo(new[] { 106 + 0xc3 - 0xae, 94 + 0xa9 - 0xa1 + 256 }));
        // The euro sign is E2 82 AC; 0x82 is the 67th of the bytes without a printable character: 33 below the space and itself, 127 and 0x80, 0x81 before it.
        Assert.That(_tokenizer.Encode("\u20ac"), Is.EqualTo(new[] { 106 + 0xe2 - 0xae, 188 + 33 + 1 + 2, 94 + 0xac - 0xa1 + 256 }));
        Assert.That(_tokenizer.Encode("\U0001f600"), Has.Length.EqualTo(4), "an emoji is one word of four bytes");
    }

    [Test]
    public void Text_is_repaired_and_cleaned()
    {
        Assert.That(TextRepair.Clean("  A&amp;amp;B &lt;i&gt;  "), Is.EqualTo("a&b <i>"), "entities, twice");
        Assert.That(TextRepair.Clean("\u2018it\u2019s\u2019 \u201cx\u201d"), Is.EqualTo("'it's' \"x\""), "curly quotes");
        Assert.That(TextRepair.Clean("\ufb01ne \uff21\uff22\u3000c\u0000d"), Is.EqualTo("fine ab cd"), "ligatures, widths, control characters");
        Assert.That(TextRepair.Clean("caf\u00c3\u00a9 \u00e2\u20ac\u0153x"), Is.EqualTo("caf\u00e9 \"x"), "UTF-8 read as Windows-1252");
        Assert.That(TextRepair.Clean("caf\u00e9"), Is.EqualTo("caf\u00e9"), "and what was read well");
        Assert.That(TextRepair.Clean("\u039f\u0394\u039f\u03a3 \u0130"), Is.EqualTo("\u03bf\u03b4\u03bf\u03c2 i\u0307"), "lower case");
    }

    [Test]
    public void A_text_is_framed_padded_and_must_fit()
    {
        Assert.That(_tokenizer.VocabularySize, Is.EqualTo(512 + 11 + 2));
        Assert.That(_tokenizer.Tokenize("low the", 6), Is.EqualTo(new[] { 523, 513, 522, 524, 0, 0 }));
        Assert.That(_tokenizer.Tokenize(""), Is.EqualTo((int[])[523, 524, .. new int[75]]));
        Assert.That(_tokenizer.Tokenize("low the low", 5), Is.EqualTo(new[] { 523, 513, 522, 513, 524 }));
        Assert.That(() => _tokenizer.Tokenize("low the low the", 5), Throws.ArgumentException.With.Message.Contains("3 tokens").And.Message.Contains("low the"));
        Assert.That(_tokenizer.Tokenize("low the low the", 5, truncate: true), Is.EqualTo(new[] { 523, 513, 522, 513, 524 }), "still ends with the end");
        Assert.That(() => _tokenizer.Encode(new string('x', 20_000)), Throws.ArgumentException.With.Message.Contains("10000"));
    }

    [Test]
    public void A_vocabulary_of_full_size_has_the_published_ids_compressed_or_not()
    {
        string[] letters = [.. MergesFile.ByteOrder.Take(188).Select(b => ((char)b).ToString())];
        // One merge more than is used, all of pairs of single symbols.
        var lines = (from a in letters from b in letters.Concat(letters.Select(l => l + MergesFile.WordEnd)) select $"{a} {b}").Take(ClipTokenizer.MostMerges + 1);
        byte[] text = Encoding.UTF8.GetBytes("\"header\n" + string.Join('\n', lines) + "\n");
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionMode.Compress, leaveOpen: true)) gzip.Write(text);
        foreach (byte[] file in new[] { text, compressed.ToArray() })
        {
            var tokenizer = ClipTokenizer.Load(Write(file));
            Assert.That((tokenizer.VocabularySize, tokenizer.Start, tokenizer.End), Is.EqualTo((49408, 49406, 49407)));
            Assert.That(tokenizer.Tokenize("a")[..4], Is.EqualTo(new[] { 49406, 320, 49407, 0 }));
            Assert.That(tokenizer.Encode("!\""), Is.EqualTo(new[] { 512 + 188 + 1 }), "the pair of the first symbol and the second that ends a word");
        }
    }

    [Test]
    public void Any_text_becomes_ids_of_the_vocabulary()
    {
        var random = new Random(5);
        const string Pieces = "aAbelow 's&#;<|>\u00c3\u00a9\u2019\ud83d\ude00\udc00\u0130\u03a3\uff21\u0301\n\t7\u0663";
        for (int round = 0; round < 3000; round++)
        {
            var text = new StringBuilder();
            for (int i = random.Next(30); i > 0; i--) text.Append(random.Next(4) > 0 ? Pieces[random.Next(Pieces.Length)] : (char)random.Next(65536));
            int[] ids = _tokenizer.Encode(text.ToString());
            Assert.That(ids, Has.All.InRange(0, _tokenizer.End), text.ToString());
            Assert.That(_tokenizer.Encode(text.ToString()), Is.EqualTo(ids), "again, from the words that are known");
        }
    }

    [TestCase("#v\na b\nx y z\n", "line 3")]
    [TestCase("#v\na b\nzz b\n", "'zz'")]
    public void A_file_that_is_no_vocabulary_is_refused_with_its_line(string text, string message) =>
        Assert.That(() => ClipTokenizer.Load(Write(Encoding.UTF8.GetBytes(text))), Throws.TypeOf<FormatException>().With.Message.Contains(message));

    [Test]
    public void Bytes_that_are_no_text_are_refused()
    {
        Assert.That(() => ClipTokenizer.Load(Write([0xff, 0xfe, 0xc0, 1, 2])), Throws.TypeOf<FormatException>().With.Message.Contains("UTF-8"));
        Assert.That(() => ClipTokenizer.Load(Write([0x1f, 0x8b, 1, 2, 3])), Throws.TypeOf<FormatException>().With.Message.Contains("gzip"));
        using var bomb = new MemoryStream();
        using (var gzip = new GZipStream(bomb, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(new byte[1 << 22]);
        Assert.That(() => ClipTokenizer.Load(Write(bomb.ToArray())), Throws.TypeOf<FormatException>().With.Message.Contains("longer than 4096"));
    }

    private string Write(byte[] content)
    {
        string path = Path.GetTempFileName();
        _files.Add(path);
        File.WriteAllBytes(path, content);
        return path;
    }
}
