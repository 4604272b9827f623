import ArgumentParser

/// How a program that serves tells what happens.
struct LogOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "trace, debug, info, notice, warning, error or critical (default: info).",
      valueName: "level"))
  var logLevel: String?
  @Option(
    help: ArgumentHelp("text or json, on standard error (default: text).", valueName: "format"))
  var logFormat: String?

  var level: String? { logLevel ?? environment("MUSTER_LOG_LEVEL") }
  var format: String? { logFormat ?? environment("MUSTER_LOG_FORMAT") }
}
