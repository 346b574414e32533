package io.experimentetl.config;

import static io.experimentetl.config.ValueType.text;

import io.experimentetl.tls.TlsFiles;

/** The keys that name the files of an encrypted connection. */
final class TlsKeys {
  private TlsKeys() {}

  /** Reads the keys, and the files, so that a wrong one is an error before anything connects. */
  static TlsFiles read(Section section) {
    TlsFiles files =
        new TlsFiles(
            section.optional("ca-file", text()),
            section.optional("certificate-file", text()),
            section.optional("key-file", text()));
    if ((files.certificateFile() == null) != (files.keyFile() == null)) {
      section.error(
          files.keyFile() == null ? "key-file" : "certificate-file",
          "is not set, and a certificate and its key need each other.",
          "Set both, or none.");
      return files;
    }
    try {
      files.context();
    } catch (TlsFiles.UnusableFileException e) {
      section.error(e.key(), e.problem(), e.remedy());
    }
    return files;
  }
}
