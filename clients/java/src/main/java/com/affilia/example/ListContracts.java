package com.affilia.example;

import com.affilia.catalog.v1.CatalogServiceGrpc;
import com.affilia.catalog.v1.Contract;
import com.affilia.catalog.v1.GetContractRequest;
import com.affilia.catalog.v1.ListContractsRequest;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.concurrent.TimeUnit;

/**
 * Lists the contracts of a running server: {@code mvn -f clients/java compile exec:java -Dexec.args=127.0.0.1:50051}.
 *
 * <p>A refusal carries google.rpc.ErrorInfo; callers branch on its reason, never on the text.
 */
public final class ListContracts {
  private static final String UNKNOWN = "00000000-0000-4000-8000-000000000000";

  private ListContracts() {}

  public static void main(String[] arguments) throws Exception {
    String address = arguments.length > 0 ? arguments[0] : "127.0.0.1:50051";
    ManagedChannel channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
    try {
      var catalog = CatalogServiceGrpc.newBlockingStub(channel);
      var request = ListContractsRequest.newBuilder().setPageSize(10).build();
      var page = catalog.withDeadlineAfter(60, TimeUnit.SECONDS).listContracts(request);
      for (Contract contract : page.getContractsList()) {
        System.out.println(contract.getContractId() + " " + contract.getVersionsCount() + " version(s)");
      }
      System.out.println(page.getContractsCount() + " contract(s)");

      try {
        var unknown = GetContractRequest.newBuilder().setContractId(UNKNOWN).build();
        catalog.withDeadlineAfter(60, TimeUnit.SECONDS).getContract(unknown);
      } catch (StatusRuntimeException refusal) {
        System.out.println(refusal.getStatus().getCode() + "/" + reasonOf(refusal));
      }
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static String reasonOf(StatusRuntimeException refusal) throws InvalidProtocolBufferException {
    Status status = StatusProto.fromThrowable(refusal);
    for (Any detail : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        return detail.unpack(ErrorInfo.class).getReason();
      }
    }
    return "";
  }
}
