using System.Text;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class AtomicFileTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-atomic-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void WritesAndReplaces()
    {
        string path = Path.Combine(_folder, "a", "b", "file.bin");
        AtomicFile.Write(path, stream => stream.Write("first, and longer"u8));
        AtomicFile.Write(path, stream => stream.Write("second"u8));
        Assert.That(File.ReadAllText(path), Is.EqualTo("second"));
        Assert.That(Directory.GetFiles(Path.GetDirectoryName(path)!), Is.EqualTo(new[] { path }));
    }

    [Test]
    public void TheOldFileStaysUntilTheWriterIsDone()
    {
        string path = Path.Combine(_folder, "file.bin");
        File.WriteAllText(path, "old");
        AtomicFile.Write(path, stream =>
        {
            stream.Write("new"u8);
            stream.Flush();
            Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        });
        Assert.That(File.ReadAllText(path), Is.EqualTo("new"));
    }

    [Test]
    public void AFullDiskLeavesTheOldFileAndNoTemporary()
    {
        string path = Path.Combine(_folder, "file.bin");
        File.WriteAllText(path, "old");
        IOException error = Assert.Throws<IOException>(() => AtomicFile.Write(path, stream =>
        {
            stream.Write(Encoding.UTF8.GetBytes(new string('x', 100_000)));
            throw new IOException("No space left on device.");
        }))!;
        Assert.That(error.Message, Does.Contain(path).And.Contain("No space left on device"));
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(_folder), Has.Length.EqualTo(1));
    }

    [Test]
    public void OtherExceptionsLeaveUnchanged()
    {
        string path = Path.Combine(_folder, "file.bin");
        Assert.Throws<OperationCanceledException>(() => AtomicFile.Write(path, _ => throw new OperationCanceledException()));
        Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);
    }

    [Test]
    public void AFolderIsRefused()
    {
        IOException error = Assert.Throws<IOException>(() => AtomicFile.Write(_folder, _ => { }))!;
        Assert.That(error.Message, Does.Contain(_folder).And.Contain("folder"));
        Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);
    }

    [Test]
    public void AFileInPlaceOfTheParentIsRefused()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "old");
        string path = Path.Combine(file, "inside.bin");
        IOException error = Assert.Throws<IOException>(() => AtomicFile.Write(path, _ => { }))!;
        Assert.That(error.Message, Does.Contain(path));
        Assert.That(File.ReadAllText(file), Is.EqualTo("old"));
    }
}
