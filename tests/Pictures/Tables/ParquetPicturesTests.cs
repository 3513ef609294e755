using NativeDiffusion.Pictures;
using NUnit.Framework;
using Parquet;
using Parquet.Schema;

namespace NativeDiffusion.Tests.Pictures.Tables;

public sealed class ParquetPicturesTests
{
    private const string Features = """{"info":{"features":{"picture":{"_type":"Image"},"kind":{"names":["cat","dog","fox"],"_type":"ClassLabel"}}}}""";

    private string _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-parquet-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void PicturesKeepTheirLabelsBehindRowsWithoutOne()
    {
        // A row without a structure, one without bytes in it, and one without a label stand before others.
        string first = Write("train-0.parquet", ["rgb.png", null, "-", "grey.jpg", "lossy.webp"], [2, 1, 1, null, 0], Features);
        Write("train-1.parquet", ["exif6.jpg", "rgb.bmp"], [0, 1], Features);
        Write("test-0.parquet", ["rgb.png"], [0], Features);
        var list = ParquetPictures.Open([_folder]);
        Assert.That(list.ClassNames, Is.EqualTo(new[] { "cat", "dog", "fox" }));
        Assert.That(list.LeftOut.Select(l => l.Name), Is.EqualTo(new[] { "test-0.parquet", $"{first}, row 3" }));
        Assert.That(() => Pack(list, skipBad: false), Throws.TypeOf<InvalidDataException>().With.Message.Contains("row 1").And.Message.Contains("has no picture"));
        using var pack = Pack(list, skipBad: true);
        Assert.That(pack.Labels.ToArray(), Is.EqualTo(new[] { 2, 0, 0, 1 }));
        using var folder = PackOf("rgb.png", "lossy.webp", "exif6.jpg", "rgb.bmp");
        for (int i = 0; i < 4; i++) Assert.That(Row(pack, i), Is.EqualTo(Row(folder, i)), $"picture {i}");
        using (var again = Pack(ParquetPictures.Open([_folder]), skipBad: true)) Assert.That(again.WasReused);
    }

    [Test]
    public void WithoutMetadataColumnsAreToldByNameAndClassesByTheirLabels()
    {
        string a = Write("a.parquet", ["rgb.png", "grey.jpg"], [4, 0], null, "image", "label"), b = Write("b.parquet", ["rgb.png"], [5], null, "image", "label");
        Assert.That(ParquetPictures.Open([a, b]).ClassNames, Is.EqualTo(new[] { "0", "1", "2", "3", "4", "5" }));
        string other = Write("c.parquet", ["rgb.png"], [5], null, "shot", "rank");
        Assert.That(ParquetPictures.Open([other]).ClassNames, Is.Empty, "a column that nobody calls a label is none");
        Assert.That(ParquetPictures.Open([other], labelColumn: "rank").ClassNames, Has.Count.EqualTo(6));
        Assert.That(() => ParquetPictures.Open([a, other]), Throws.TypeOf<InvalidDataException>().With.Message.Contains("c.parquet"));
        Assert.That(() => ParquetPictures.Open([a], imageColumn: "foto"), Throws.TypeOf<InvalidDataException>().With.Message.Contains("foto").And.Message.Contains("image, label"));
    }

    [Test]
    public void TextsAreClasses()
    {
        string path = Path.Combine(_folder, "t.parquet");
        WriteTexts(path, ["rgb.png", "grey.jpg", "rgb.bmp"], ["pear", null, "apple"]).GetAwaiter().GetResult();
        var list = ParquetPictures.Open([path]);
        Assert.That((list.Count, list.ClassNames), Is.EqualTo((2, new[] { "apple", "pear" })));
        using var pack = Pack(list, skipBad: false);
        Assert.That(pack.Labels.ToArray(), Is.EqualTo(new[] { 1, 0 }));
    }

    [Test]
    public void WhatIsNoParquetFileIsCalledByItsTrueName()
    {
        string path = Write("a.parquet", ["rgb.png"], [0], Features);
        byte[] file = File.ReadAllBytes(path);
        (byte[] Content, string Says)[] cases = [(file[..(file.Length / 2)], "damaged or truncated"), ("<html>"u8.ToArray(), "a web page, no Parquet file"), ([], "an empty file"), ([1, 2, 3], "no Parquet file")];
        foreach (var (content, says) in cases)
        {
            File.WriteAllBytes(path, content);
            Assert.That(() => ParquetPictures.Open([path]), Throws.TypeOf<InvalidDataException>().With.Message.Contains("a.parquet").And.Message.Contains(says));
        }
        Assert.That(() => ParquetPictures.Open([Path.Combine(_folder, "absent.parquet")]), Throws.InstanceOf<IOException>().With.Message.Contains("absent"));
    }

    private static float[] Row(PicturePack pack, int index)
    {
        float[] row = new float[16 * 16 * pack.Channels];
        pack.CopyRow(index, 0.5, 0.5, row);
        return row;
    }

    private PicturePack Pack(PictureList list, bool skipBad) => PicturePack.Open(list, new PackSettings { Size = 16, SkipBad = skipBad }, Path.Combine(_folder, "packs"));

    private PicturePack PackOf(params string[] names)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "flat"));
        for (int i = 0; i < names.Length; i++) File.Copy(PictureFiles.PathOf(names[i]), Path.Combine(_folder, "flat", $"{i}{Path.GetExtension(names[i])}"));
        return Pack(PictureFolder.Open(Path.Combine(_folder, "flat")), skipBad: false);
    }

    /// <summary>A file as the hub has them; of a null there is no structure, of "-" one without bytes.</summary>
    private string Write(string name, string?[] pictures, int?[] labels, string? metadata, string imageColumn = "picture", string labelColumn = "kind")
    {
        string path = Path.Combine(_folder, name);
        WriteAsync(path, pictures, labels, metadata, imageColumn, labelColumn).GetAwaiter().GetResult();
        return path;
    }

    private static async Task WriteAsync(string path, string?[] pictures, int?[] labels, string? metadata, string imageColumn, string labelColumn)
    {
        var schema = new ParquetSchema(new StructField(imageColumn, new DataField("bytes", typeof(byte[]), true), new DataField<string>("path", true)), new DataField<long>(labelColumn, true));
        await using var stream = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(schema, stream);
        if (metadata is not null) writer.CustomMetadata = new Dictionary<string, string> { ["huggingface"] = metadata };
        // Two groups of rows, so that rows are counted across them.
        foreach (var part in new[] { Range.EndAt(1), Range.StartAt(1) })
        {
            string?[] some = pictures[part];
            if (some.Length == 0) continue;
            using var group = writer.CreateRowGroup();
            ReadOnlyMemory<byte>[] bytes = [.. some.Where(p => p is not (null or "-")).Select(p => (ReadOnlyMemory<byte>)File.ReadAllBytes(PictureFiles.PathOf(p!)))];
            await group.WriteAllPartsAsync<ReadOnlyMemory<byte>>(schema.DataFields[0], bytes, (int[])[.. some.Select(p => p is null ? 0 : p == "-" ? 1 : 2)], null, default);
            ReadOnlyMemory<char>[] paths = [.. some.OfType<string>().Select(p => p.AsMemory())];
            await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(schema.DataFields[1], paths, (int[])[.. some.Select(p => p is null ? 0 : 2)], null, default);
            await group.WriteAsync<long>(schema.DataFields[2], (long?[])[.. labels[part].Select(label => (long?)label)]);
        }
    }

    private static async Task WriteTexts(string path, string[] pictures, string?[] labels)
    {
        var schema = new ParquetSchema(new DataField("image", typeof(byte[]), true), new DataField<string>("label", true));
        await using var stream = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(schema, stream);
        using var group = writer.CreateRowGroup();
        await group.WriteAsync(schema.DataFields[0], (byte[][])[.. pictures.Select(p => File.ReadAllBytes(PictureFiles.PathOf(p)))]);
        await group.WriteAsync(schema.DataFields[1], labels!);
    }
}
