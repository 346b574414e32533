package io.experimentetl.config;

import static io.experimentetl.config.ValueType.integer;
import static io.experimentetl.config.ValueType.text;

import java.io.Serializable;

/**
 * The HTTP API of the verb {@code serve}. The job reads none of it.
 *
 * @param host the address to listen on
 * @param port 0: any free one
 * @param tokensFile holds the hashes of the bearer tokens; null: none is set
 * @param certificateFile PEM, the server's certificate and those up to its CA; null: no TLS
 * @param keyFile PEM, the private key in PKCS#8; null: no TLS
 * @param keepSavepoints how many of the newest savepoints the daily task keeps; null: all
 * @param actionLog where each change is recorded; null: beside the state of the other verbs
 */
public record ServeConfig(
    String host,
    int port,
    String tokensFile,
    String certificateFile,
    String keyFile,
    Integer keepSavepoints,
    String actionLog)
    implements Serializable {

  /** The default of every key. */
  public static ServeConfig defaults() {
    return read(Section.empty("serve"));
  }

  /** Whether the API is served over TLS. */
  public boolean isSecured() {
    return certificateFile != null && keyFile != null;
  }

  static ServeConfig read(Section section) {
    ServeConfig config =
        new ServeConfig(
            section.get("host", text(), "127.0.0.1"),
            section.get("port", integer(0, 65_535), 8001),
            section.optional("tokens-file", text()),
            section.optional("certificate-file", text()),
            section.optional("key-file", text()),
            section.optional("keep-savepoints", integer(1, 10_000)),
            section.optional("action-log", text()));
    if ((config.certificateFile == null) != (config.keyFile == null)) {
      section.error(
          config.keyFile == null ? "key-file" : "certificate-file",
          "is missing.",
          "TLS needs both serve.certificate-file and serve.key-file.");
    }
    return config;
  }
}
