package io.experimentetl.tls;

import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.List;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;

/** Explains why a connection with TLS, or without it, has failed. */
public final class TlsFailure {
  /** A message of the JDK, of a driver or of a server, and what it means. */
  private record Meaning(Pattern message, String explanation) {
    private Meaning(String message, String explanation) {
      this(Pattern.compile(message, Pattern.CASE_INSENSITIVE), explanation);
    }
  }

  private static final List<Meaning> MEANINGS =
      List.of(
          new Meaning(
              "No subject alternative|No name matching|could not be verified by hostnameverifier"
                  + "|doesn't match (any of the subject alternative names|common name)",
              "the server's certificate is for other names than the host that the job connects to:"
                  + " connect to a host that it names, or issue one for this host"),
          new Meaning(
              "PKIX path building failed|unable to find valid certification path"
                  + "|does not chain with any of the trust anchors",
              "no trusted CA has signed the server's certificate: name the file of its CA in ca-file"
                  + " (for Kafka in ssl.truststore.location)"),
          new Meaning(
              "server does not support SSL",
              "the server offers no TLS, which tls.mode demands: set ssl = on there"),
          new Meaning(
              "Unsupported or unrecognized SSL message|plaintext connection\\?",
              "the server answers without TLS: name its TLS port, or configure TLS there"),
          new Meaning(
              "(no pg_hba.conf entry|pg_hba.conf rejects connection) .*no encryption",
              "the server takes no connection without TLS from this user: set tls.mode: verify-full"),
          new Meaning(
              "certificate_required|requires a valid client certificate|Empty client certificate chain"
                  + "|fatal alert: (bad_certificate|certificate_unknown|unknown_ca|certificate_expired"
                  + "|certificate_revoked|unsupported_certificate)|certificate authentication failed",
              "the server demands a client certificate that its CA has signed and that has not expired:"
                  + " name the files of one in certificate-file and key-file (for Kafka in ssl.keystore.location)"));

  /** A chain of causes may have a loop. */
  private static final int MAX_CAUSES = 50;

  private TlsFailure() {}

  /** The innermost cause of a failed connection; of one without a cause itself. */
  public static Throwable innermost(Throwable failure) {
    Throwable cause = failure;
    for (int depth = 0; cause.getCause() != null && depth < MAX_CAUSES; depth++) {
      cause = cause.getCause();
    }
    return cause;
  }

  /**
   * What has failed and what to do, as a sentence without its full stop; null: the failure is not
   * about TLS.
   */
  public static String explain(Throwable failure) {
    String unexplained = null;
    Throwable cause = failure;
    for (int depth = 0; cause != null && depth < MAX_CAUSES; depth++, cause = cause.getCause()) {
      String message = String.valueOf(cause.getMessage());
      if (cause instanceof CertificateExpiredException) {
        return "the server's certificate, or one that signed it, has expired ("
            + message
            + "): renew it there";
      }
      if (cause instanceof CertificateNotYetValidException) {
        return "the server's certificate is not valid yet ("
            + message
            + "): correct the clocks of both machines";
      }
      for (Meaning meaning : MEANINGS) {
        if (meaning.message().matcher(message).find()) {
          return meaning.explanation();
        }
      }
      if (cause instanceof SSLException) {
        unexplained = "TLS failed (" + message + "): check the TLS settings of both sides";
      }
    }
    return unexplained;
  }
}
