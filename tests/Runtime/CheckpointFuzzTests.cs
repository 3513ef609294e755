using System.Buffers.Binary;
using System.IO.Compression;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>
/// Damaged variants of real files: each is read in full or refused with a <see cref="CheckpointException"/>, after bounded reading and in bounded memory. The
/// number of a variant decides everything about it, so that a failure is repeated by its number. The whole campaign:
/// <c>dotnet test -c Release --filter TestCategory=Fuzz</c>.
/// </summary>
public sealed class CheckpointFuzzTests
{
    private static readonly Lazy<byte[][]> Sound = new(() =>
    [
        .. new[] { "torch_zip.pt", "torch_legacy.pt", "torch_module.pt", "torch_script.pt", "torch_training.pt", "edm.pkl", "torch.expected.npz", "edm.expected.npz" }
            .Select(name => File.ReadAllBytes(TorchFileTests.Data(name))),
        TorchBytes.Zip(TorchBytes.OneTensor(4, 0, [2, 2], [1, 2]), new byte[16], CompressionLevel.Optimal),
        SafetensorsBytes.Make(
            """{"__metadata__":{"a":"b"},"x":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"y":{"dtype":"I64","shape":[],"data_offsets":[12,20]}}""",
            new byte[20]),
    ]);

    [Test]
    public void Variants([Range(0, 9)] int hundreds) => Run(hundreds * 300, 300);

    [Explicit("120,000 variants take minutes.")]
    [Category("Fuzz")]
    [Test]
    public void Campaign([Range(0, 11)] int part) => Run(1_000_000 + part * 10_000, 10_000);

    private static void Run(int first, int count)
    {
        for (int number = first; number < first + count; number++)
        {
            byte[] bytes = Variant(number);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                var counted = new CountedBytes(bytes);
                using var file = CheckpointContainer.Open(counted, "fuzzed");
                Assert.That(counted.BytesRead, Is.LessThanOrEqualTo(CountedBytes.Bound(bytes)), $"variant {number}");
                ReadAll(file);
            }
            catch (CheckpointException error)
            {
                Assert.That(error.Message, Does.Contain("fuzzed"), $"variant {number}");
            }
            catch (Exception error) when (error is not AssertionException)
            {
                Assert.Fail($"variant {number}: {error}");
            }
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(32 << 20), $"variant {number}");
        }
    }

    private static void ReadAll(CheckpointFile file)
    {
        byte[] window = new byte[1 << 16];
        foreach (TensorInfo tensor in file.Tensors)
        {
            using var reader = file.OpenTensor(tensor.Name);
            int size = ElementConversion.SizeOf(tensor.DType);
            for (long left = tensor.ElementCount; left > 0;)
            {
                int count = (int)Math.Min(left, window.Length / size);
                reader.ReadBytes(window.AsSpan(0, count * size));
                left -= count;
            }
        }
        foreach ((string key, string value) in file.Metadata)
            Assert.That(key, Is.Not.Null.And.Not.SameAs(value));
    }

    private static byte[] Variant(int number)
    {
        Random random = new(number);
        byte[][] sound = Sound.Value;
        List<byte> bytes = [.. sound[random.Next(sound.Length)]];
        for (int edits = 1 + random.Next(4); edits > 0; edits--)
        {
            // Directories and descriptions, where the interesting bytes are, lie at the ends of the smaller files.
            int at = random.Next(bytes.Count);
            int length = Math.Min(1 + random.Next(16), bytes.Count - at);
            switch (random.Next(8))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes.RemoveRange(at, Math.Min(length, bytes.Count - 1)); break;
                case 3: bytes.InsertRange(at, bytes.GetRange(at, length)); break;
                case 4: bytes.RemoveRange(at, bytes.Count - Math.Max(at, 1)); break;
                case 5:
                    byte[] other = sound[random.Next(sound.Length)];
                    int from = random.Next(other.Length);
                    bytes.InsertRange(at, other[from..Math.Min(other.Length, from + 64)]);
                    break;
                case 6: Overwrite(bytes, at, random); break;
                default: bytes[at] = Opcodes[random.Next(Opcodes.Length)]; break;
            }
            if (bytes.Count == 0) break;
        }
        return [.. bytes];
    }

    private static readonly byte[] Opcodes = [.. "().NKMJGXUTCB]aelt}dsucRbQqrhj012"u8, 0x80, 0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96];

    private static readonly long[] Numbers = [0, 1, -1, 127, 128, 255, 256, 65535, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, 1L << 40];

    private static void Overwrite(List<byte> bytes, int at, Random random)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, Numbers[random.Next(Numbers.Length)]);
        int length = 1 << random.Next(4);
        for (int i = 0; i < length && at + i < bytes.Count; i++)
            bytes[at + i] = number[i];
    }
}
