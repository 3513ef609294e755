using System.Runtime.Versioning;
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

    [Test]
    [UnsupportedOSPlatform("windows")]
    [Platform(Exclude = "Win")]
    public void ALinkLeadsToItsTargetWhichKeepsItsMode()
    {
        string target = Path.Combine(_folder, "target"), link = Path.Combine(_folder, "link"), dangling = Path.Combine(_folder, "dangling");
        File.WriteAllText(target, "old");
        File.SetUnixFileMode(target, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.CreateSymbolicLink(link, "target");
        File.CreateSymbolicLink(dangling, "made");
        AtomicFile.Write(link, stream => stream.Write("new"u8));
        AtomicFile.Write(dangling, stream => stream.Write("first"u8));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(File.ReadAllText(target), Is.EqualTo("new"));
            Assert.That(File.GetUnixFileMode(target), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
            Assert.That(new FileInfo(link).LinkTarget, Is.EqualTo("target"));
            Assert.That(File.ReadAllText(Path.Combine(_folder, "made")), Is.EqualTo("first"));
            Assert.That(new FileInfo(dangling).LinkTarget, Is.EqualTo("made"));
        }
    }

    [Test]
    [Platform("Linux")]
    public void PipesAndDevicesStayWhatTheyAre()
    {
        string pipe = Posix.Pipe(_folder);
        Assert.That(Assert.Throws<IOException>(() => AtomicFile.Write(pipe, stream => stream.Write("lost"u8)))!.Message, Does.Contain("nobody reads"));
        using var reader = Task.Run(() => File.ReadAllText(pipe));
        while (true)
            try
            {
                AtomicFile.Write(pipe, stream => stream.Write("through"u8));
                break;
            }
            catch (IOException)
            {
                Thread.Sleep(1); // until the reader has opened it
            }
        AtomicFile.Write("/dev/null", stream => stream.Write("gone"u8));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(reader.Result, Is.EqualTo("through"));
            Assert.That(PosixFile.SpecialKind(pipe), Is.EqualTo("pipe"));
            Assert.That(PosixFile.SpecialKind("/dev/null"), Is.EqualTo("device"));
            Assert.That(PosixFile.SpecialKind(_folder), Is.Null);
        }
    }

    [Test]
    public void RemainsOfDeadProcessesGoAndOthersStay()
    {
        string Make(string name)
        {
            File.WriteAllText(Path.Combine(_folder, name), "x");
            return Path.Combine(_folder, name);
        }
        string[] dead = [Make("a.bin.tmp-99-1f"), Make("b.bin.tmp-7-0")], others = [Make("a.bin"), Make("notes.tmp-old"), Make("a.bin.tmp-12")];
        string alive = Path.Combine(_folder, "a.bin.tmp-5-abc");
        using (new FileStream(alive, FileMode.CreateNew, FileAccess.Write, FileShare.None))
        {
            AtomicFile.RemoveRemains(_folder, "a.bin");
            Assert.That(dead.Select(File.Exists), Is.EqualTo(new[] { false, true }));
            AtomicFile.RemoveRemains(_folder);
            Assert.That(Directory.GetFiles(_folder).Order(), Is.EqualTo(others.Append(alive).Order()));
        }
    }
}
