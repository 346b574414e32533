package io.experimentetl.tls;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Certificates that the JDK's keytool makes for a test, as PEM files. {@code server} and {@code
 * expired} are for 127.0.0.1 and no other host; both and {@code client} are signed by {@code ca}.
 */
public final class TestCertificates {
  /** The name of the CA that has signed all others but {@link #STRANGER}. */
  public static final String CA = "ca";

  /** A CA that has signed nothing. */
  public static final String STRANGER = "stranger";

  private static final String PASSWORD = "changeit";

  private final Path folder;
  private final KeyStore store;

  private TestCertificates(Path folder, KeyStore store) {
    this.folder = folder;
    this.store = store;
  }

  /**
   * Makes all of them.
   *
   * @param folder an empty one, for the files
   */
  public static TestCertificates create(Path folder) throws Exception {
    Path file = folder.resolve("all.p12");
    keytool(file, CA, "-dname", "CN=ca", "-ext", "bc:c");
    keytool(file, STRANGER, "-dname", "CN=stranger", "-ext", "bc:c");
    String host = "san=ip:127.0.0.1";
    keytool(file, "server", "-dname", "CN=server", "-ext", host, "-signer", CA);
    keytool(
        file,
        "expired",
        "-dname",
        "CN=expired",
        "-ext",
        host,
        "-signer",
        CA,
        "-startdate",
        "-10d",
        "-validity",
        "3");
    // PostgreSQL's clientcert=verify-full compares the name with the user.
    keytool(file, "client", "-dname", "CN=experiment_etl", "-signer", CA);
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      store.load(in, PASSWORD.toCharArray());
    }
    TestCertificates certificates = new TestCertificates(folder, store);
    for (String name : List.of(CA, STRANGER, "server", "expired", "client")) {
      certificates.write(name);
    }
    return certificates;
  }

  private static void keytool(Path store, String alias, String... more)
      throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-J-XX:TieredStopAtLevel=1",
                "-genkeypair",
                "-alias",
                alias,
                "-keyalg",
                "RSA",
                "-keysize",
                "2048",
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                PASSWORD));
    command.addAll(List.of(more));
    Process keytool = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output =
        new String(keytool.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    if (keytool.waitFor() != 0) {
      throw new IOException("keytool: " + output);
    }
  }

  private void write(String name) throws IOException, GeneralSecurityException {
    StringBuilder certificates = new StringBuilder();
    for (Certificate certificate : store.getCertificateChain(name)) {
      certificates.append(pem("CERTIFICATE", certificate.getEncoded()));
    }
    String key = pem("PRIVATE KEY", store.getKey(name, PASSWORD.toCharArray()).getEncoded());
    Files.writeString(certificateFile(name), certificates);
    Files.writeString(keyFile(name), key);
    // PostgreSQL refuses a key that others may read.
    Files.setPosixFilePermissions(keyFile(name), PosixFilePermissions.fromString("rw-------"));
    Files.writeString(keyAndCertificates(name), key + certificates);
  }

  private static String pem(String type, byte[] content) {
    return "-----BEGIN %s-----\n%s\n-----END %1$s-----\n"
        .formatted(type, Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content));
  }

  /** The certificate of this name and those that signed it. */
  public Path certificateFile(String name) {
    return folder.resolve(name + ".crt");
  }

  /** Its key, in PKCS#8. */
  public Path keyFile(String name) {
    return folder.resolve(name + ".key");
  }

  /** Both in one file, as Kafka takes them. */
  public Path keyAndCertificates(String name) {
    return folder.resolve(name + ".pem");
  }

  /** A server that shows the certificate of this name, valid or not, and trusts the CA. */
  public SSLContext server(String name) throws GeneralSecurityException, IOException {
    KeyStore own = KeyStore.getInstance("PKCS12");
    own.load(null, null);
    own.setKeyEntry(
        name,
        store.getKey(name, PASSWORD.toCharArray()),
        new char[0],
        store.getCertificateChain(name));
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(own, new char[0]);
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry(CA, store.getCertificate(CA));
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  /** Trusts the CA and shows the certificate of this name. */
  public TlsFiles files(String name) {
    return new TlsFiles(
        certificateFile(CA).toString(), certificateFile(name).toString(), keyFile(name).toString());
  }
}
