using System.CommandLine;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion completion</c>: scripts that complete this tool's command lines in a shell.</summary>
internal sealed class CompletionCommand
{
    private const string Description = "Print a script that completes commands, options and their values in your shell.";

    private const string Details =
        """
        Set up, once:
          bash         nativediffusion completion bash >> ~/.bashrc
          zsh          nativediffusion completion zsh >> ~/.zshrc
          fish         nativediffusion completion fish > ~/.config/fish/completions/nativediffusion.fish
          PowerShell   nativediffusion completion powershell >> $PROFILE
        """;

    // Each asks the tool itself, by the directive that its command line library answers.
    private static readonly Dictionary<string, string> Scripts = new()
    {
        ["bash"] =
            """
            _nativediffusion() {
                local IFS=$'\n' word="${COMP_WORDS[COMP_CWORD]}"
                COMPREPLY=($(compgen -W "$(nativediffusion "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "$word"))
            }
            complete -o default -F _nativediffusion nativediffusion
            """,
        ["zsh"] =
            """
            _nativediffusion() {
                local -a found
                found=("${(@f)$(nativediffusion "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
                compadd -a found || _files
            }
            compdef _nativediffusion nativediffusion
            """,
        ["fish"] =
            """
            complete -c nativediffusion -a '(nativediffusion "[suggest:"(commandline -C)"]" (commandline -p) 2>/dev/null)'
            """,
        ["powershell"] =
            """
            Register-ArgumentCompleter -Native -CommandName nativediffusion -ScriptBlock {
                param($word, $line, $position)
                nativediffusion "[suggest:$position]" "$line" | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
            }
            """,
    };

    private readonly Argument<string> _shell = new("SHELL") { Description = $"One of: {string.Join(", ", Scripts.Keys)}." };

    public static Command Create(CliContext context)
    {
        var completion = new CompletionCommand();
        completion._shell.CompletionSources.Add([.. Scripts.Keys]);
        var command = new CliCommand("completion", Description, Details) { completion._shell };
        command.SetAction(parsed =>
        {
            string shell = parsed.GetValue(completion._shell)!;
            context.Out.WriteLine(Scripts.TryGetValue(shell, out string? script) ? script : throw new UsageException(NearestWord.Message("shell", shell, [.. Scripts.Keys])));
            return ExitCode.Success;
        });
        return command;
    }
}
