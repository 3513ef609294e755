using NativeDiffusion.Cli;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

[TestFixture]
internal sealed class ConsoleProgressTests
{
    [Test]
    public void Work_that_takes_long_says_what_it_is()
    {
        using var error = new StringWriter();
        var lines = TextWriter.Synchronized(error);
        var context = new CliContext(TextWriter.Null, lines, CancellationToken.None);
        Assert.That(ConsoleProgress.Wait(context, "reading model.bin", () => 7), Is.EqualTo(7));
        Assert.That(error.ToString(), Is.Empty, "what is done at once says nothing");
        bool told = ConsoleProgress.Wait(context, "reading model.bin", () => SpinWait.SpinUntil(() => Written(error), TimeSpan.FromMinutes(1)), patience: 0);
        Assert.That(told, Is.True);
        Assert.That(error.ToString(), Does.StartWith("reading model.bin ..."));
        Assert.That(() => ConsoleProgress.Wait<int>(context, "reading", () => throw new IOException("gone")), Throws.TypeOf<IOException>());
    }

    private static bool Written(StringWriter text)
    {
        try
        {
            return text.ToString().Contains("...", StringComparison.Ordinal);
        }
        catch (ArgumentOutOfRangeException)
        {
            // The other thread is writing.
            return false;
        }
    }
}
