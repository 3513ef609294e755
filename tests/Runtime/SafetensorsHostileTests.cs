using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class SafetensorsHostileTests
{
    private static CheckpointException Refused(byte[] bytes) =>
        Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(new MemoryStream(bytes), "hostile"))!;

    private static string Tensor(string dtype, string shape, string offsets) =>
        $$"""{"dtype":"{{dtype}}","shape":{{shape}},"data_offsets":{{offsets}}}""";

    private static IEnumerable<TestCaseData> Headers()
    {
        string good = Tensor("U8", "[4]", "[0,4]");
        yield return new TestCaseData("""{"a.b":""" + Tensor("F32", "[10,9]", "[0,400]") + "}",
            "tensor 'a.b' says 400 bytes for F32 [10,9] which needs 360");
        yield return new TestCaseData("", "does not begin with '{'");
        yield return new TestCaseData("[]", "does not begin with '{'");
        yield return new TestCaseData("  {}", "does not begin with '{'");
        yield return new TestCaseData("{nonsense", "not valid JSON");
        yield return new TestCaseData("{", "not valid JSON");
        yield return new TestCaseData($$"""{"a":{{good}}""", "not valid JSON");
        yield return new TestCaseData($$"""{"a":{{good}},}""", "not valid JSON");
        yield return new TestCaseData($$"""{"a":{{good}}} {}""", "not valid JSON");
        yield return new TestCaseData($$"""{/* */"a":{{good}}}""", "not valid JSON");
        yield return new TestCaseData("""{"a":""" + new string('[', 100_000), "'a' is an array");
        yield return new TestCaseData("""{"a":{"x":""" + new string('[', 100_000), "not valid JSON");
        yield return new TestCaseData($$"""{"\ud800":{{good}}}""", "not valid text");
        yield return new TestCaseData($$"""{"a":{{good}},"a":{{good}}}""", "'a' appears twice");
        yield return new TestCaseData($$"""{"a":{{good}},"\u0061":{{good}}}""", "'a' appears twice");
        yield return new TestCaseData("""{"__metadata__":{},"__metadata__":{}}""", "appears twice");
        yield return new TestCaseData("""{"__metadata__":{"k":"1","k":"2"}}""", "'k' twice");
        yield return new TestCaseData("""{"__metadata__":{"k":1}}""", "'k' which is the number '1', expected a string");
        yield return new TestCaseData("""{"__metadata__":[]}""", "is an array, expected an object");
        yield return new TestCaseData("""{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", "field 'dtype' twice");
        yield return new TestCaseData("""{"a":{"shape":[4],"data_offsets":[0,4]}}""", "has no field 'dtype'");
        yield return new TestCaseData("""{"a":{"dtype":"U8","data_offsets":[0,4]}}""", "has no field 'shape'");
        yield return new TestCaseData("""{"a":{"dtype":"U8","shape":[4]}}""", "has no field 'data_offsets'");
        yield return new TestCaseData("""{"a":null}""", "'a' is null");
        yield return new TestCaseData("""{"a":{"dtype":7,"shape":[4],"data_offsets":[0,4]}}""", "dtype that is the number '7'");
        yield return new TestCaseData("""{"a":""" + Tensor("F99", "[4]", "[0,4]") + "}", "dtype 'F99', expected one of F64, F32");
        yield return new TestCaseData("""{"a":""" + Tensor("u8", "[4]", "[0,4]") + "}", "dtype 'u8'");
        yield return new TestCaseData("""{"a":""" + Tensor("3", "[4]", "[0,4]") + "}", "dtype '3'");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[-4]", "[0,4]") + "}", "'shape' with the number '-4'");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[4.0]", "[0,4]") + "}", "'shape' with the number '4.0'");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[99999999999999999999]", "[0,4]") + "}", "'shape' with the number");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "4", "[0,4]") + "}", "'shape' that is the number '4'");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[" + string.Join(',', Enumerable.Repeat(1, 33)) + "]", "[0,1]") + "}",
            "more than 32 numbers");
        yield return new TestCaseData("""{"a":""" + Tensor("F32", "[4294967296,4294967296]", "[0,4]") + "}",
            "more bytes of F32 than 64 bits can count");
        yield return new TestCaseData("""{"a":""" + Tensor("F32", "[4611686018427387904]", "[0,0]") + "}", "more bytes of F32");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[4]", "[4,0]") + "}", "begins at byte 4, after its end at 0");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[4]", "[4]") + "}", "has 1 data_offsets");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[4]", "[0,4,4]") + "}", "more than 2 numbers");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[5]", "[0,5]") + "}", "ends at byte 5 of the data, but the file holds 4");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[9223372036854775807]", "[0,9223372036854775807]") + "}", "cut short");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[3]", "[0,3]") + ""","b":""" + Tensor("U8", "[2]", "[2,4]") + "}",
            "tensor 'b' begins at byte 2 and overlaps 'a' which ends at 3");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[1]", "[0,1]") + ""","b":""" + Tensor("U8", "[2]", "[2,4]") + "}",
            "tensor 'b' begins at byte 2 and leaves a gap after byte 1");
        yield return new TestCaseData("""{"a":""" + Tensor("U8", "[3]", "[0,3]") + "}", "the tensors cover 3 bytes, but the file holds 4");
        yield return new TestCaseData("{}", "the tensors cover 0 bytes");
    }

    [TestCaseSource(nameof(Headers))]
    public void AWrongHeaderIsRefused(string json, string expected) =>
        Assert.That(Refused(SafetensorsBytes.Make(json, new byte[4])).Message, Does.StartWith("hostile: ").And.Contain(expected));

    [Test]
    public void InvalidUtf8IsRefused() =>
        Assert.That(Refused(SafetensorsBytes.Make([.. "{\""u8, 0xFF, .. "\":1}"u8], [])).Message, Does.Contain("UTF-8"));

    [Test]
    public void AHugeHeaderIsRefusedWithoutReadingIt([Values(8ul, 100_000_000ul, 100_000_001ul, 1ul << 63, ulong.MaxValue)] ulong length)
    {
        byte[] bytes = new byte[15];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckpointException error = Refused(bytes);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1_000_000));
        Assert.That(error.Message, Does.Contain(length.ToString()));
    }

    [Test]
    public void HugeAndOddNamesAreShortenedInMessages()
    {
        string name = new string('x', 50_000);
        Assert.That(Refused(SafetensorsBytes.Make($$"""{"{{name}}":1}""", [])).Message, Has.Length.LessThan(1000));
        Assert.That(Refused(SafetensorsBytes.Make("""{"a\u001b[2J":1}""", [])).Message, Does.Contain("'a?[2J'"));
    }

    private static readonly byte[] Sound = SafetensorsBytes.Make(
        """{"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]}"""
        + ""","a.bias":{"dtype":"I64","shape":[],"data_offsets":[12,20]},"c":{"dtype":"F32","shape":[3],"data_offsets":[20,32]}}""",
        [.. Enumerable.Range(0, 32).Select(i => (byte)(i * 37))]);

    // Opens and reads everything; anything but success or a CheckpointException fails the property.
    private static bool SoundOrRefused(byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using SafetensorsFile file = SafetensorsFile.Open(new MemoryStream(bytes), "mutated");
            foreach (TensorInfo tensor in file.Tensors)
            {
                file.ReadFloat(tensor.Name);
                file.ReadDouble(tensor.Name);
                if (!ElementConversion.IsFloatingPoint(tensor.DType))
                    file.ReadInt64(tensor.Name);
            }
        }
        catch (CheckpointException error)
        {
            Assert.That(error.Message, Does.StartWith("mutated: "));
        }
        return GC.GetAllocatedBytesForCurrentThread() - before < 1_000_000;
    }

    [Test]
    public void EveryTruncationIsRefused()
    {
        Assert.That(() => SafetensorsFile.Open(new MemoryStream(Sound), "sound").ReadInt64("a.bias"), Throws.Nothing);
        for (int length = 0; length < Sound.Length; length++)
            Refused(Sound[..length]);
    }

    [Test]
    public void AByteTooManyIsRefused() => Refused([.. Sound, 0]);

    [Test]
    public void NoMutationThrowsAnythingElse()
    {
        Gen<byte[]> mutated =
            from edits in Gen.Zip(Gen.Choose(0, Sound.Length - 1), Gen.Choose(0, 255)).NonEmptyListOf()
            select Mutate([.. edits.Take(3)]);
        Prop.ForAll(mutated.ToArbitrary(), SoundOrRefused).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));
    }

    [Test]
    public void NoSplicedHeaderThrowsAnythingElse()
    {
        string[] pieces =
        [
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"dtype\"", "\"F32\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"",
            "0", "4", "-1", "1e9", "null", "true", "\"\\ud800\"", " ", "\0",
        ];
        Gen<byte[]> spliced =
            from parts in Gen.Elements(pieces).ListOf()
            select SafetensorsBytes.Make(Encoding.UTF8.GetBytes("{" + string.Concat(parts)), new byte[4]);
        Prop.ForAll(spliced.ToArbitrary(), SoundOrRefused).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
    }

    private static byte[] Mutate((int Position, int Value)[] edits)
    {
        byte[] bytes = (byte[])Sound.Clone();
        foreach ((int position, int value) in edits)
            bytes[position] = (byte)value;
        return bytes;
    }
}
