using System.Diagnostics;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>The example of a web service, asked by several clients at once, one of which gives up.</summary>
public sealed class WebServiceTests
{
    [Test]
    public async Task It_serves_clients_side_by_side_and_stops_for_one_that_gives_up()
    {
        string program = Path.Combine(ProcessRun.Repository(), "examples", "WebService", "bin", PackageFeed.Configuration, "net10.0", "WebService.dll");
        using var service = Process.Start(new ProcessStartInfo("dotnet", [program, "--urls", "http://127.0.0.1:0"]) { RedirectStandardOutput = true })!;
        try
        {
            string address = (await Find(service.StandardOutput, @"Now listening on: (http://127\.0\.0\.1:\d+)")).Groups[1].Value;
            using var client = new HttpClient { BaseAddress = new Uri(address) };
            byte[][] pictures = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => client.GetByteArrayAsync($"/digits/7?w=2&index={i / 2}")));
            Assert.That(pictures[0][..4], Is.EqualTo(new byte[] { 0x89, (byte)'P', (byte)'N', (byte)'G' }));
            Assert.That(pictures[1], Is.EqualTo(pictures[0]));
            Assert.That(pictures[2], Is.Not.EqualTo(pictures[0]).And.EqualTo(pictures[3]));

            using var wrong = await client.GetAsync("/digits/12");
            Assert.That(wrong.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
            Assert.That(await wrong.Content.ReadAsStringAsync(), Does.Contain("Label 12"));

            using (var stream = new StreamReader(await client.GetStreamAsync("/digits?count=1000")))
            {
                using var first = JsonDocument.Parse((await stream.ReadLineAsync())!);
                Assert.That(first.RootElement.GetProperty("label").GetInt32(), Is.Zero);
            }
            await Find(service.StandardOutput, "Sampling was cancelled after");
        }
        finally
        {
            service.Kill();
            service.WaitForExit();
        }
    }

    private static async Task<Match> Find(StreamReader output, string pattern)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (await output.ReadLineAsync(patience.Token) is { } line)
            if (Regex.Match(line, pattern) is { Success: true } match)
                return match;
        throw new InvalidOperationException($"The service ended without a line of '{pattern}'.");
    }
}
