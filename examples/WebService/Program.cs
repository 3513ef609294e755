// Samples digits on request, by one model for all. A request that its client gives up stops computing at once.
//   GET /digits/7?w=2&index=5       a picture: the class, the guidance strength, the number of the sample
//   GET /digits?count=20&w=2        pictures as they are finished, one JSON object a line, PNG in base64
// Usage: WebService [--urls http://127.0.0.1:5000] [--model FILE]
using System.Collections.Concurrent;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Services.AddSingleton(services => DiffusionModel.Load(
    builder.Configuration["model"] ?? ShippedFiles.Find("models/digits.safetensors"), logger: services.GetRequiredService<ILoggerFactory>().CreateLogger("NativeDiffusion")));
builder.Services.AddSingleton<Samplers>();
var app = builder.Build();
_ = app.Services.GetRequiredService<DiffusionModel>();

app.MapGet("/digits/{label:int}", async (int label, Samplers samplers, CancellationToken aborted, double w = 2, int index = 0) =>
{
    using var rented = samplers.Rent();
    try
    {
        var images = await rented.Sampler.SampleAsync([new SampleRequest(label, (GuidanceScale)new GuidanceStrength(w), index)], cancellation: aborted);
        return Results.Bytes(PngWriter.Encode(images[0]), "image/png");
    }
    catch (ArgumentException e)
    {
        return Results.BadRequest(e.Message);
    }
});

app.MapGet("/digits", async (HttpResponse response, DiffusionModel model, Samplers samplers, CancellationToken aborted, int count = 10, double w = 2) =>
{
    using var rented = samplers.Rent();
    int classes = model.Settings.ClassNames.Length;
    SampleRequest[] requests = [.. Enumerable.Range(0, Math.Clamp(count, 1, 1000)).Select(i => new SampleRequest(i % classes, (GuidanceScale)new GuidanceStrength(w), i))];
    response.ContentType = "application/jsonl";
    await foreach (var (position, image) in rented.Sampler.SampleEachAsync(requests, cancellation: aborted))
        await response.WriteAsync($$"""{"label":{{requests[position].Label}},"png":"{{Convert.ToBase64String(PngWriter.Encode(image))}}"}""" + "\n", aborted);
});

app.Run();

/// <summary>Samplers that are ready: each serves one request at a time, and all share the model.</summary>
internal sealed class Samplers(DiffusionModel model)
{
    private readonly ConcurrentBag<GuidedSampler> _ready = [];

    public Rented Rent() => new(this, _ready.TryTake(out var sampler) ? sampler : new GuidedSampler(model, new SamplerSettings { Steps = 20 }, new GuidedSamplerOptions { Seed = 1 }));

    public readonly record struct Rented(Samplers Owner, GuidedSampler Sampler) : IDisposable
    {
        public void Dispose() => Owner._ready.Add(Sampler);
    }
}
