FROM python:3.11-slim
WORKDIR /locus
COPY pyproject.toml README.md LICENSE ./
COPY locus locus
COPY configs configs
COPY results results
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu '.[train,dicom,xrv]'
RUN useradd --create-home user
USER user
WORKDIR /home/user
ENTRYPOINT ["locus"]
