using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class InputFileTests
{
    [Test]
    [Platform("Linux")]
    public void APipeIsRefusedBeforeAnythingWaitsForIt()
    {
        string folder = Directory.CreateTempSubdirectory("nd-pipe-").FullName;
        try
        {
            string pipe = Posix.Pipe(folder);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(Assert.Throws<IOException>(() => InputFile.Open(pipe))!.Message, Does.Contain(pipe).And.Contain("a pipe"));
                Assert.That(Assert.Throws<IOException>(() => InputFile.ReadAllBytes("/dev/zero"))!.Message, Does.Contain("a device"));
                Assert.That(Assert.Throws<CheckpointException>(() => CheckpointFile.Open(pipe))!.Message, Does.Contain("not a regular file but a pipe"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
