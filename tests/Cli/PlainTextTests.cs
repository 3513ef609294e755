using NativeDiffusion.Cli;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

internal sealed class PlainTextTests : CliFixture
{
    [Test]
    public void InfoShowsWhatWouldActOnATerminal()
    {
        SafetensorsWriter.Write(
            PathTo("x.safetensors"), [TensorEntry.Of("evil\u001b[2J", [1], new float[] { 1 })], new Dictionary<string, string> { ["title"] = "\u001b]0;owned\u0007[red]\u202eabc" });
        ToolRun run = ToolRun.Of("info", PathTo("x.safetensors"), "--tensors");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Output.Where(c => char.IsControl(c) && c is not ('\n' or '\r')), Is.Empty);
            Assert.That(run.Output, Does.Contain("evil\\u001b[2J").And.Contain("\\u001b]0;owned\\u0007[red]\\u202eabc"));
            Assert.That(PlainText.Of("plain\ttext\nžluťoučký"), Is.EqualTo("plain\ttext\nžluťoučký"));
        }
    }
}
