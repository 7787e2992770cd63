// Lists the contracts of a running server: go run ./example 127.0.0.1:50051
//
// A refusal carries google.rpc.ErrorInfo; callers branch on its reason, never on the text.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	catalogv1 "affilia.com/go/affilia/catalog/v1"
)

const unknown = "00000000-0000-4000-8000-000000000000"

func main() {
	address := "127.0.0.1:50051"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	catalog := catalogv1.NewCatalogServiceClient(connection)
	page, err := catalog.ListContracts(ctx, &catalogv1.ListContractsRequest{PageSize: 10})
	if err != nil {
		log.Fatal(err)
	}
	for _, contract := range page.GetContracts() {
		fmt.Println(contract.GetContractId(), len(contract.GetVersions()), "version(s)")
	}
	fmt.Println(len(page.GetContracts()), "contract(s)")

	_, err = catalog.GetContract(ctx, &catalogv1.GetContractRequest{ContractId: unknown})
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Printf("%v/%s\n", status.Code(err), info.GetReason())
		}
	}
}
