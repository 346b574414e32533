package io.experimentetl.tls;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/**
 * The PEM files of an encrypted connection. Only their paths are part of a job graph: every machine
 * reads its own files when it connects.
 *
 * @param caFile certificates of the CAs that may have signed the server's; null: those that the JVM
 *     trusts
 * @param certificateFile the client's certificate and those that signed it, or a server's own;
 *     null: none
 * @param keyFile the key of that certificate in PKCS#8 without a password, a client's with RSA;
 *     null: none
 */
public record TlsFiles(String caFile, String certificateFile, String keyFile)
    implements Serializable {

  /** No files: the CAs that the JVM trusts, and no client certificate. */
  public static final TlsFiles NONE = new TlsFiles(null, null, null);

  /** The drivers of the servers agree on this one only. */
  private static final List<String> OF_CLIENTS = List.of("RSA");

  private static final List<String> OF_SERVERS = List.of("RSA", "EC", "EdDSA");

  private static final Pattern PKCS8 =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");

  /** A file is not what it should be. */
  public static final class UnusableFileException extends IOException {
    private static final long serialVersionUID = 1L;
    private final String key;
    private final String problem;
    private final String remedy;

    private UnusableFileException(
        String key, String file, String problem, String remedy, Exception cause) {
      super("The file " + file + " (" + key + ") " + problem + " " + remedy, cause);
      this.key = key;
      this.problem = "names " + file + ", which " + problem;
      this.remedy = remedy;
    }

    /** The key of the configuration that names the file. */
    public String key() {
      return key;
    }

    /** What is wrong with it, as the end of a sentence about the key. */
    public String problem() {
      return problem;
    }

    /** What to do. */
    public String remedy() {
      return remedy;
    }
  }

  /** Whether no file is named. */
  public boolean isEmpty() {
    return equals(NONE);
  }

  /**
   * Reads the files.
   *
   * @throws UnusableFileException a file is absent, or not what it should be, or the client's
   *     certificate is not valid today
   */
  public SSLContext context() throws UnusableFileException {
    return context(trustManagers());
  }

  /**
   * The same with other trust managers than those of the CA file.
   *
   * @throws UnusableFileException the client's certificate or key is not usable
   */
  public SSLContext context(TrustManager... trusted) throws UnusableFileException {
    return context(OF_CLIENTS, trusted);
  }

  /**
   * The context of a server that shows the certificate.
   *
   * @throws UnusableFileException as {@link #context()}
   */
  public SSLContext serverContext() throws UnusableFileException {
    return context(OF_SERVERS);
  }

  private SSLContext context(List<String> algorithms, TrustManager... trusted)
      throws UnusableFileException {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keyManagers(algorithms), trusted, null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("This JVM has no TLS: " + e.getMessage(), e);
    }
  }

  /** Null stands for what the JVM trusts. */
  private TrustManager[] trustManagers() throws UnusableFileException {
    if (caFile == null) {
      return null;
    }
    Collection<? extends Certificate> authorities = certificates("ca-file", caFile);
    try {
      KeyStore store = emptyStore();
      int number = 0;
      for (Certificate authority : authorities) {
        store.setCertificateEntry("ca" + number++, authority);
      }
      TrustManagerFactory factory =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      factory.init(store);
      return factory.getTrustManagers();
    } catch (GeneralSecurityException e) {
      throw new UnusableFileException(
          "ca-file", caFile, "cannot be used: " + e.getMessage() + ".", "Correct it.", e);
    }
  }

  private KeyManager[] keyManagers(List<String> algorithms) throws UnusableFileException {
    if (certificateFile == null) {
      return null;
    }
    Certificate[] chain =
        certificates("certificate-file", certificateFile).toArray(Certificate[]::new);
    requireValid((X509Certificate) chain[0]);
    PrivateKey key = key(algorithms);
    try {
      KeyStore store = emptyStore();
      store.setKeyEntry("own", key, new char[0], chain);
      KeyManagerFactory factory =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      factory.init(store, new char[0]);
      return factory.getKeyManagers();
    } catch (GeneralSecurityException e) {
      throw new UnusableFileException(
          "key-file",
          keyFile,
          "does not fit the certificate: " + e.getMessage() + ".",
          "Name the key of " + certificateFile + ".",
          e);
    }
  }

  private void requireValid(X509Certificate certificate) throws UnusableFileException {
    try {
      certificate.checkValidity();
    } catch (CertificateExpiredException e) {
      throw new UnusableFileException(
          "certificate-file",
          certificateFile,
          "expired at " + certificate.getNotAfter().toInstant() + ".",
          "Issue a new one.",
          e);
    } catch (CertificateNotYetValidException e) {
      throw new UnusableFileException(
          "certificate-file",
          certificateFile,
          "is not valid before " + certificate.getNotBefore().toInstant() + ".",
          "Correct the clock, or wait.",
          e);
    }
  }

  private static KeyStore emptyStore() throws GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try {
      store.load(null, null);
    } catch (IOException e) {
      throw new GeneralSecurityException(e);
    }
    return store;
  }

  private static Collection<? extends Certificate> certificates(String key, String file)
      throws UnusableFileException {
    Collection<? extends Certificate> certificates;
    try {
      certificates =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(
                  new ByteArrayInputStream(read(key, file).getBytes(StandardCharsets.UTF_8)));
    } catch (CertificateException e) {
      throw new UnusableFileException(
          key,
          file,
          "is no certificate in PEM form (" + e.getMessage() + ").",
          "It begins with -----BEGIN CERTIFICATE-----.",
          e);
    }
    if (certificates.isEmpty()) {
      throw new UnusableFileException(
          key,
          file,
          "has no certificate.",
          "A certificate in PEM form begins with -----BEGIN CERTIFICATE-----.",
          null);
    }
    return certificates;
  }

  private PrivateKey key(List<String> algorithms) throws UnusableFileException {
    Matcher pem = PKCS8.matcher(read("key-file", keyFile));
    String problem =
        "is no %s key in PKCS#8 and PEM form without a password."
            .formatted(String.join(", ", algorithms));
    String remedy = "Convert it: openssl pkcs8 -topk8 -nocrypt -in KEY -out " + keyFile + ".";
    if (pem.find()) {
      for (String algorithm : algorithms) {
        try {
          return KeyFactory.getInstance(algorithm)
              .generatePrivate(
                  new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem.group(1))));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
          // A key of another algorithm, or no Base64.
        }
      }
    }
    // Without a cause: its message may quote the key.
    throw new UnusableFileException("key-file", keyFile, problem, remedy, null);
  }

  private static String read(String key, String file) throws UnusableFileException {
    try {
      return Files.readString(Path.of(file), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new UnusableFileException(
          key,
          file,
          "cannot be read (" + e.getClass().getSimpleName() + ").",
          "Create it, readable, where it is read: on the JobManager's and every TaskManager's machine, and those of serve and the verbs.",
          e);
    }
  }
}
