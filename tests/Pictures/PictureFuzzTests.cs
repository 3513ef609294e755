using System.Buffers.Binary;
using FsCheck.Fluent;
using FsCheck;
using NativeDiffusion.Pictures;
using NativeDiffusion.Tests.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Pictures;

/// <summary>Damaged files of every kind: the decoder is native code, which must not fail otherwise than by its result.</summary>
public sealed class PictureFuzzTests
{
    private static readonly byte[][] Seeds = TestPng.Kinds()
        .SelectMany(kind => new[] { false, true }.Select(interlaced => TestPng.Make(9, 6, kind.ColourType, kind.Depth, interlaced, true, 5).Encode()))
        .Concat(Directory.GetFiles(PictureFiles.Folder).Where(file => !file.EndsWith(".npz", StringComparison.Ordinal) && !Path.GetFileName(file).StartsWith("exif", StringComparison.Ordinal)).Select(File.ReadAllBytes))
        .ToArray();

    [Test]
    public void MutationsGiveAPictureOrInvalidDataException([Values] bool repairCheckSums)
    {
        Property property = Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            Random random = new(seed);
            byte[] file = [.. Seeds[random.Next(Seeds.Length)]];
            for (int changes = random.Next(1, 4); changes > 0; changes--)
                file[random.Next(file.Length)] = (byte)random.Next(256);
            if (repairCheckSums)
                Repair(file);
            try
            {
                PictureReader.Decode(file, "fuzz");
            }
            catch (InvalidDataException)
            {
                // The only exception that a caller has to expect.
            }
        });
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1500), property);
    }

    /// <summary>Makes every check sum right, so that mutations reach what lies behind them.</summary>
    private static void Repair(byte[] file)
    {
        for (int position = 8; file[1] == 'P' && position + 12 <= file.Length;)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(position));
            if (length > file.Length - position - 12)
                return;
            BinaryPrimitives.WriteUInt32BigEndian(
                file.AsSpan(position + 8 + (int)length), TestPng.Crc(file.AsSpan(position + 4, 4 + (int)length)));
            position += 12 + (int)length;
        }
    }
}
